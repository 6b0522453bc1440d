"""Reports to look at. No decisions here."""
