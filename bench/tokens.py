"""JSON Web Tokens for the bench's owners: HS256 by hmac, RS256 by the system's libcrypto (a
signature takes it 0.6 ms; a program started for each would take ten times as long)."""
import base64
import concurrent.futures
import ctypes
import ctypes.util
import hashlib
import hmac
import json
import secrets
import time

from cluster import BenchError

LIFETIME = 24 * 3600


def owner(index):
    """The owner of the group with this index, as data.py's SQL writes it."""
    digits = f"{index:032d}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Tokens:
    """Mints tokens; each is minted once, since every measurement has the same owners."""

    def __init__(self, folder):
        self._folder = folder
        self._secret = secrets.token_hex(32)
        self._public = folder / "jwt-public.pem"
        self._rsa = None
        self._minted = {"HS256": [], "RS256": []}

    def environment(self, algorithm):
        """What tells the service how to verify them."""
        settings = {"REGROUP_AUTH_JWT_ALGORITHM": algorithm}
        if algorithm == "HS256":
            return settings | {"REGROUP_AUTH_JWT_SECRET": self._secret}
        self._make_rsa()
        return settings | {"REGROUP_AUTH_JWT_PUBLIC_KEY_FILE": str(self._public)}

    def of_first(self, count, algorithm):
        """A token for each of the owners 0 to count - 1."""
        minted = self._minted[algorithm]
        if len(minted) < count:
            sign = self._hs256 if algorithm == "HS256" else self._make_rsa().sign
            header = _base64url(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
            now = int(time.time())

            def mint(index):
                claims = {"sub": owner(index), "iat": now, "exp": now + LIFETIME}
                text = header + b"." + _base64url(json.dumps(claims).encode())
                return (text + b"." + _base64url(sign(text))).decode()
            # ctypes lets go of Python's lock while libcrypto signs
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                minted.extend(pool.map(mint, range(len(minted), count), chunksize=64))
        return minted[:count]

    def file(self, count, algorithm):
        """The same as a file, a token a line."""
        path = self._folder / f"tokens-{algorithm}-{count}"
        if not path.exists():
            path.write_text("\n".join(self.of_first(count, algorithm)) + "\n")
        return path

    def _hs256(self, text):
        return hmac.digest(self._secret.encode(), text, hashlib.sha256)

    def _make_rsa(self):
        if self._rsa is None:
            self._rsa = Rsa(self._public)
        return self._rsa


class Rsa:
    """RSASSA-PKCS1-v1_5 with SHA-256 and a new key of 2048 bits, by libcrypto's EVP interface."""

    def __init__(self, public_key_file):
        self._crypto = crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for function in ("EVP_PKEY_Q_keygen", "EVP_MD_CTX_new", "EVP_sha256", "BIO_new_file"):
            getattr(crypto, function).restype = ctypes.c_void_p
        self._key = ctypes.c_void_p(crypto.EVP_PKEY_Q_keygen(None, None, b"RSA",
                                                             ctypes.c_size_t(2048)))
        self._sha256 = ctypes.c_void_p(crypto.EVP_sha256())
        file = ctypes.c_void_p(crypto.BIO_new_file(str(public_key_file).encode(), b"w"))
        written = self._key and file and crypto.PEM_write_bio_PUBKEY(file, self._key) == 1
        crypto.BIO_free(file)
        if not written:
            raise BenchError("libcrypto makes no RSA key")

    def sign(self, text):
        crypto = self._crypto
        context = ctypes.c_void_p(crypto.EVP_MD_CTX_new())
        size = ctypes.c_size_t(512)
        signature = ctypes.create_string_buffer(size.value)
        good = (crypto.EVP_DigestSignInit(context, None, self._sha256, None, self._key) == 1
                and crypto.EVP_DigestSign(context, signature, ctypes.byref(size), text,
                                          ctypes.c_size_t(len(text))) == 1)
        crypto.EVP_MD_CTX_free(context)
        if not good:
            raise BenchError("libcrypto cannot sign")
        return signature.raw[:size.value]
