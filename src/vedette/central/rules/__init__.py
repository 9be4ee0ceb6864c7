"""What the engines say of rule files before they are used."""
