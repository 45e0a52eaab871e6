"""What users can do: one file per resource, one unit of work per public method."""
