"""Semapix: semantic image compression. Machines read the first bytes of a file, people read the rest.

stream = semapix.encode("photo.jpg", quality=5)
stream.save("photo.spix")
semapix.open("photo.spix").look("fine")      # what is in it, from about 200 bytes
semapix.open("photo.spix").image()           # the picture
"""

from semapix._stream import Stream, encode, look, models, open
from semapix.errors import SemapixError
from semapix.tasks import Label

__all__ = ["Label", "SemapixError", "Stream", "encode", "look", "models", "open"]

__version__ = "0.1.0"
