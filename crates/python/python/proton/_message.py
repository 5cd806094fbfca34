"""Messages."""

from deuteron import _core

Message = _core.Message
