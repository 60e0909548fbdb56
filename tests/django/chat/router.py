class ChatRouter:
    """Reads the chat from purser's own database, and never changes anything there."""

    def db_for_read(self, model, **hints):
        return "purser" if model._meta.app_label == "chat" else None

    def allow_relation(self, one, other, **hints):
        return None

    def allow_migrate(self, db, app_label, **hints):
        return False if db == "purser" else None
