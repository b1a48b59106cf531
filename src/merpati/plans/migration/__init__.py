"""Moving from an old provider, as it is planned and carried out."""
