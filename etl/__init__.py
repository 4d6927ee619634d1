"""The engine of MetaLayer: from CSV files to published tables. Never imports streamlit."""
