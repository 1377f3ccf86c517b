"""Where rows and media come from."""
