from django.db import models


class ChatSession(models.Model):
    """A conversation: one row of purser's SQL view."""

    id = models.UUIDField(primary_key=True)
    user = models.CharField(max_length=255, null=True)
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "chat_session"
        ordering = ["-created_at"]

    def __str__(self):
        return str(self.id)


class ChatMessage(models.Model):
    """What was said, by whom: visitor, bot, agent or system."""

    id = models.BigIntegerField(primary_key=True)
    session = models.ForeignKey(ChatSession, models.DO_NOTHING, db_column="session", related_name="messages")
    sender = models.CharField(max_length=16)
    message = models.TextField()
    timestamp = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "chat_message"
        ordering = ["id"]

    def __str__(self):
        return f"{self.sender}, {self.timestamp:%Y-%m-%d %H:%M}"
