"""The paper's experiment again."""
