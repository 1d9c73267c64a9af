"""Which of the three strategies suits a site: by what each ships, takes and needs, never by taste."""
