#!/bin/bash
# Greenboot check: every workload of Edgewise is up, and its server has reproduced its golden on this device.
# Each file in /etc/edgewise/greenboot names one workload: NAMESPACE=, KIND= (deployment or inferenceservice), NAME=, RELEASE=.
# A server says that it is ready only after it has reproduced its golden; another release's answer does not count.
set -euo pipefail

export KUBECONFIG=${KUBECONFIG:-/var/lib/microshift/resources/kubeadmin/kubeconfig}
folder=${EDGEWISE_GREENBOOT:-/etc/edgewise/greenboot}
timeout_s=${EDGEWISE_GREENBOOT_TIMEOUT_S:-300}

fail() {
  echo "edgewise: $1" >&2
  exit 1
}

value() {
  sed -n "s/^$1=//p" "$2" | head -n 1
}

shopt -s nullglob
for workload in "$folder"/*.conf; do
  namespace=$(value NAMESPACE "$workload") name=$(value NAME "$workload") release=$(value RELEASE "$workload")
  deployment=$name
  [ "$(value KIND "$workload")" = inferenceservice ] && deployment=$name-predictor
  if microshift healthcheck --help >/dev/null 2>&1; then
    microshift healthcheck --timeout="${timeout_s}s" --namespace "$namespace" --deployments "$deployment" \
      || fail "$namespace/$deployment is not up after $timeout_s s"
  else
    oc rollout status --namespace "$namespace" "deployment/$deployment" --timeout="${timeout_s}s" \
      || fail "$namespace/$deployment is not up after $timeout_s s"
  fi
  running=$(oc get --namespace "$namespace" "deployment/$deployment" \
    -o 'jsonpath={.spec.template.metadata.annotations.edgewise\.io/release}')
  [ "$running" = "$release" ] || fail "$namespace/$deployment runs ${running:-no release}, not $release"
  oc exec --namespace "$namespace" "deployment/$deployment" -- /usr/bin/python3 -m edgewise.edge.serve.health \
    || fail "the server of $namespace/$deployment has not reproduced its golden"
  echo "edgewise: $namespace/$deployment serves $release"
done
