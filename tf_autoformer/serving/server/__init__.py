"""SavedModels behind TF Serving's REST API."""
