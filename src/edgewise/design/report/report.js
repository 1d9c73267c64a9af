"use strict";
// Links table, scatter and coordinates, and narrows them down. The page already says everything without it;
// nothing here makes markup from text, and nothing is loaded or stored.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  document.documentElement.classList.add("js");

  const drawer = one("dialog.drawer");
  const tip = one(".tip");
  const rowOf = (id) => one(`tr[data-d="${CSS.escape(id)}"]`);

  // --- One design in full ---------------------------------------------------------------------

  let shown = null;
  let opener = null;

  function visibleRows(id) {
    return all("tbody tr[data-d]", rowOf(id).closest("tbody")).filter((row) => !row.hidden);
  }

  function open(id) {
    const detail = document.getElementById(id);
    const row = detail && rowOf(id);
    if (!row) return;
    if (!drawer.open) opener = document.activeElement;
    shown = id;
    one(".mark", drawer).replaceChildren(one(".badge", row).cloneNode(true));
    one("#drawer-title", drawer).textContent = one("th a", row).textContent;
    one(":scope > .body", drawer).replaceChildren(...one(".body", detail).cloneNode(true).childNodes);
    const rows = visibleRows(id);
    const here = rows.indexOf(row);
    for (const button of all("[data-go]", drawer)) button.disabled = !rows[here + Number(button.dataset.go)];
    if (!drawer.open) drawer.showModal();
    drawer.scrollTop = 0;
    one("#drawer-title", drawer).focus();
    tip.hidden = true;
  }

  function go(step) {
    const rows = visibleRows(shown);
    const next = rows[rows.indexOf(rowOf(shown)) + step];
    if (next) visit(next.dataset.d, true);
  }

  function visit(id, replace = false) {
    history[replace ? "replaceState" : "pushState"](null, "", "#" + id);
    open(id);
  }

  function follow() {
    const id = decodeURIComponent(location.hash.slice(1));
    const detail = id && document.getElementById(id);
    if (detail && detail.tagName === "DETAILS") open(id);
    else if (drawer.open) drawer.close();
  }

  drawer.addEventListener("close", () => {
    if (drawer.open) return; // the event comes late, and another design is open by now
    if (location.hash) history.replaceState(null, "", location.href.split("#")[0]);
    if (opener && opener.focus) opener.focus({ preventScroll: true });
  });
  drawer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.go) go(Number(button.dataset.go));
    else if (event.target === drawer || (button && "close" in button.dataset)) drawer.close();
  });
  drawer.addEventListener("keydown", (event) => {
    if (event.target.tagName === "PRE" || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "j" || event.key === "ArrowRight") go(1);
    if (event.key === "k" || event.key === "ArrowLeft") go(-1);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("a");
    const row = event.target.closest("tr[data-d]");
    const id = link ? (link.getAttribute("href") || "").slice(1) : row && row.dataset.d;
    if (!id || !rowOf(id) || (!link && String(getSelection()))) return;
    event.preventDefault();
    visit(id);
  });
  window.addEventListener("popstate", follow);
  window.addEventListener("hashchange", follow);

  // --- One plan ---------------------------------------------------------------------------------

  function link(plan) {
    const rows = new Map(all("tr[data-d]", plan).map((row) => [row.dataset.d, row]));
    const parts = new Map([...rows.keys()].map((id) => [id, all(`[data-d="${id}"]`, plan)]));
    const axes = all(".axis", plan).map((axis, index) => brushing(axis, index, apply));
    const filter = one("input[type=search]", plan);
    const feasible = one("input[type=checkbox]", plan);
    const counted = one(".count", plan).textContent;
    const sentence = one(".brushed > span", plan);
    const hint = sentence && sentence.cloneNode(true);
    const clear = one(".clear", plan);

    function apply() {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const active = axes.filter((axis) => axis.active());
      let count = 0;
      for (const [id, row] of rows) {
        const text = row.textContent.toLowerCase();
        const kept = (!feasible.checked || "ok" in row.dataset) && words.every((word) => text.includes(word));
        const line = parts.get(id).find((part) => part.classList.contains("ln"));
        const inside = active.every((axis) => line && axis.holds(line.dataset.y.split(",")));
        row.hidden = !kept;
        for (const part of parts.get(id)) part.classList.toggle("dim", !kept || !inside);
        count += kept && inside;
      }
      const narrowed = words.length || feasible.checked || active.length;
      one(".count", plan).textContent = narrowed ? `${count} of ${rows.size} shown` : counted;
      if (!sentence) return;
      clear.hidden = !active.length;
      if (active.length) sentence.textContent = "Only " + active.map((axis) => axis.words()).join("; ") + ".";
      else sentence.replaceChildren(...hint.cloneNode(true).childNodes);
    }

    filter.addEventListener("input", apply);
    feasible.addEventListener("change", apply);
    one(".tools", plan).addEventListener("submit", (event) => event.preventDefault());
    if (clear) clear.addEventListener("click", () => { axes.forEach((axis) => axis.reset()); apply(); });
    highlight(plan, parts, rows);
    sorting(one(".designs", plan));
    for (const plot of all(".plot", plan)) roving(all(".pt", plot));
    apply();
  }

  // --- Highlighting -----------------------------------------------------------------------------

  function highlight(plan, parts, rows) {
    let current = null;
    const set = (id) => {
      if (id === current) return;
      for (const part of parts.get(current) || []) part.classList.remove("on");
      for (const part of parts.get(id) || []) part.classList.add("on");
      current = id;
    };
    const id = (event) => {
      const part = event.target.closest("[data-d]");
      return part ? part.dataset.d : null;
    };
    plan.addEventListener("pointerover", (event) => set(id(event)));
    plan.addEventListener("pointerleave", () => set(null));
    plan.addEventListener("focusin", (event) => {
      set(id(event));
      if (event.target.matches(".pt:focus-visible")) {
        const box = event.target.querySelector("use:last-of-type").getBoundingClientRect();
        tell(rows.get(id(event)), box.right, box.bottom);
      }
    });
    plan.addEventListener("focusout", () => { set(null); tip.hidden = true; });
    plan.addEventListener("pointermove", (event) => {
      const part = event.target.closest(".pt, .ln");
      if (part && event.pointerType !== "touch") tell(rows.get(part.dataset.d), event.clientX, event.clientY);
      else if (!document.activeElement.matches(".pt:focus-visible")) tip.hidden = true;
    });
  }

  // A row of the table in short, beside the pointer.
  function tell(row, x, y) {
    const heads = all("thead th span", row.closest("table")).map((head) => head.textContent);
    const cells = [...row.cells];
    const figures = [5, 6, 7, 9, 10].filter((index) => cells[index].dataset.v)
      .map((index) => heads[index].replace(/^(\S.*?) (\S+)$/, `$1 ${cells[index].textContent} $2`)
        .replace(/^\S+$/, `$& ${cells[index].textContent}`));
    const name = document.createElement("b");
    name.textContent = one("a", cells[0]).textContent;
    const verdict = document.createElement("span");
    verdict.append(...one(".badge", row).cloneNode(true).childNodes);
    const rest = document.createElement("span");
    rest.textContent = figures.join(", ");
    tip.replaceChildren(name, verdict, rest);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(8, x + 16 + width > innerWidth - 8 ? x - 16 - width : x + 16) + "px";
    tip.style.top = Math.max(8, y + 16 + height > innerHeight - 8 ? y - 12 - height : y + 16) + "px";
  }

  // --- Sorting ----------------------------------------------------------------------------------

  function sorting(section) {
    const body = one("tbody", section);
    const original = [...body.rows];
    const heads = all("thead th", section);
    heads.forEach((head, column) => one("button", head).addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" };
      const order = next[head.getAttribute("aria-sort") || "none"];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order !== "none") head.setAttribute("aria-sort", order);
      body.append(...(order === "none" ? original : sorted(original, column, order === "ascending" ? 1 : -1)));
    }));
  }

  // Rows without a figure come last in either direction; equal rows keep their order, best first.
  function sorted(rows, column, sign) {
    const numeric = column >= 4;
    const key = (row) => numeric ? parseFloat(row.cells[column].dataset.v) : row.cells[column].textContent.toLowerCase();
    return rows.map((row) => [key(row), row]).sort(([a], [b]) => {
      if (numeric && (isNaN(a) || isNaN(b))) return isNaN(a) - isNaN(b);
      return sign * (numeric ? a - b : a.localeCompare(b, "en"));
    }).map(([, row]) => row);
  }

  // --- Points by keyboard: one stop for the tab key, arrows go from left to right ------------------

  function roving(points) {
    const place = (point) => parseFloat(point.querySelector("use:last-of-type").getAttribute("x"));
    const order = points.slice().sort((a, b) => place(a) - place(b));
    order.forEach((point, index) => {
      point.setAttribute("tabindex", index ? "-1" : "0");
      point.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const open = order.filter((other) => other === point || !other.classList.contains("dim"));
        const next = open[open.indexOf(point) + step];
        if (!next) return;
        point.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
  }

  // --- Brushing an axis ---------------------------------------------------------------------------

  function brushing(axis, index, changed) {
    const grab = one(".grab", axis);
    const brush = one(".brush", axis);
    const handles = all(".handle", axis);
    const height = Number(brush.getAttribute("height"));
    const { title, unit, bottom, top, log } = { log: undefined, ...axis.dataset };
    const ends = [Number(bottom), Number(top)];
    let range = [0, height];

    function value(y) {
      const share = 1 - y / height;
      const [low, high] = log === undefined ? ends : ends.map(Math.log);
      const found = low + share * (high - low);
      const exact = log === undefined ? found : Math.exp(found);
      return Number(exact.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 }) + (unit ? " " + unit : "");
    }

    const active = () => range[0] > 0 || range[1] < height;

    function set(from, to) {
      range = [Math.max(0, Math.min(from, to)), Math.min(height, Math.max(from, to))];
      axis.classList.toggle("brushing", active());
      brush.setAttribute("y", range[0]);
      brush.setAttribute("height", range[1] - range[0]);
      handles.forEach((handle, end) => {
        handle.setAttribute("transform", `translate(0 ${range[end]})`);
        handle.setAttribute("aria-valuenow", Math.round(100 * (1 - range[end] / height)));
        handle.setAttribute("aria-valuetext", value(range[end]));
      });
      changed();
    }

    const at = (event) => event.clientY - axis.querySelector(".spine").getBoundingClientRect().top;
    function drag(element, start) {
      element.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        event.preventDefault();
        element.setPointerCapture(event.pointerId);
        const move = start(at(event));
        const moved = (motion) => move(at(motion));
        element.addEventListener("pointermove", moved);
        element.addEventListener("lostpointercapture", () => element.removeEventListener("pointermove", moved), { once: true });
      });
    }

    drag(grab, (from) => {
      if (active()) set(0, height);
      return (to) => { if (Math.abs(to - from) > 3) set(from, to); };
    });
    handles.forEach((handle, end) => {
      drag(handle, () => (to) => (end ? set(range[0], to) : set(to, range[1])));
      handle.addEventListener("keydown", (event) => {
        const far = { Home: [0, range[0]], End: [range[1], height] }[event.key];
        const step = { ArrowUp: -1, ArrowRight: -1, ArrowDown: 1, ArrowLeft: 1, PageUp: -5, PageDown: 5 }[event.key];
        if (event.key === "Escape") set(0, height);
        else if (far) end ? set(range[0], far[1]) : set(far[0], range[1]);
        else if (step) {
          const to = range[end] + step * height / 50;
          end ? set(range[0], Math.max(range[0], to)) : set(Math.min(range[1], to), range[1]);
        } else return;
        event.preventDefault();
      });
      handle.setAttribute("aria-valuetext", value(range[end]));
    });
    one(".handle:last-of-type", axis).setAttribute("transform", `translate(0 ${height})`);

    return {
      active,
      reset: () => set(0, height),
      holds: (places) => places[index] !== "" && Number(places[index]) >= range[0] && Number(places[index]) <= range[1],
      words: () => `${title} from ${value(range[1])} to ${value(range[0])}`,
    };
  }

  all(".plan").forEach(link);
  follow();
})();
