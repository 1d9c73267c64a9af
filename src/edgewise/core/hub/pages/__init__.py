"""The pages: what the API answers, as HTML. Rendered here, no script but htmx's, which is vendored (`static/`)."""
