#!/usr/bin/env python3
"""Writes cases.json: tokens and what must be said of each.

Run by hand after a change (`python3 tests/jwt/generate.py`; needs the package `cryptography`), with the keys in
keys.json, which are for nothing else. Tokens are made here by another implementation than the one that checks
them. Signatures with PS256 to PS512 are random, all others are the same each time.
"""

import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HERE = pathlib.Path(__file__).parent
NOW = 1_800_000_000
ISSUER = "https://login.example.com/pool"
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def load_keys():
    path = HERE / "keys.json"
    if not path.exists():
        made = {name: rsa.generate_private_key(65537, size) for name, size in
                [("rsa", 2048), ("rsa-new", 2048), ("rsa-other", 2048), ("rsa-1024", 1024)]}
        made |= {"p256": ec.generate_private_key(ec.SECP256R1()), "p256-new": ec.generate_private_key(ec.SECP256R1()),
                 "p384": ec.generate_private_key(ec.SECP384R1()), "p521": ec.generate_private_key(ec.SECP521R1()),
                 "k256": ec.generate_private_key(ec.SECP256K1()), "ed": ed25519.Ed25519PrivateKey.generate(),
                 "ed-new": ed25519.Ed25519PrivateKey.generate()}
        pem = lambda key: key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                            serialization.NoEncryption()).decode()
        path.write_text(json.dumps({name: pem(key) for name, key in made.items()}, indent=1) + "\n")
    keys = json.loads(path.read_text())
    return {name: serialization.load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
            for name, text in keys.items()}


KEYS = load_keys()
SECRET = bytes(range(64))


def spki(name):
    return KEYS[name].public_key().public_bytes(serialization.Encoding.PEM,
                                                serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(name, **members):
    """The public half of a key. A member that is None is left out."""
    if name == "secret":
        key = {"kty": "oct", "k": b64(SECRET), "kid": "secret"}
    else:
        public = KEYS[name].public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            key = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            numbers, size = public.public_numbers(), (public.curve.key_size + 7) // 8
            curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1"}
            key = {"kty": "EC", "crv": curve[public.curve.name], "x": number(numbers.x, size),
                   "y": number(numbers.y, size)}
        else:
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            key = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        key["kid"] = name
    key |= members
    return {name: value for name, value in key.items() if value is not None}


def signature(algorithm, key, message):
    if algorithm == "none":
        return b""
    digest = HASHES.get(algorithm[2:], hashes.SHA256)()
    if algorithm.startswith("HS"):
        return hmac.new(key, message, "sha" + algorithm[2:]).digest()
    private = KEYS[key]
    if algorithm.startswith("RS"):
        return private.sign(message, padding.PKCS1v15(), digest)
    if algorithm.startswith("PS"):
        return private.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if algorithm.startswith("ES"):
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(digest, deterministic_signing=True)))
        size = (private.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return private.sign(message)


ALGORITHMS = {"rsa": "RS256", "p256": "ES256", "p384": "ES384", "p521": "ES512", "k256": "ES256", "ed": "EdDSA",
              "secret": "HS256"}


def algorithm_of(key):
    return ALGORITHMS[key.split("-")[0]]


GOOD = {"iss": ISSUER, "sub": "alice", "aud": "orders", "iat": NOW - 60, "exp": NOW + 600}


def claims(**changes):
    merged = GOOD | changes
    return {name: value for name, value in merged.items() if value is not ...}


def token(key="rsa", payload=None, alg=None, header=None, sign_as=None, raw_header=None, raw_payload=None):
    """`sign_as` is another algorithm than the header says; `header` changes the header, None takes a member out."""
    alg = alg or algorithm_of(key)
    head = {"alg": alg, "typ": "JWT", "kid": key} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    head = raw_header if raw_header is not None else json.dumps(head)
    body = raw_payload if raw_payload is not None else json.dumps(claims() if payload is None else payload)
    signed = b64(head.encode()) + "." + b64(body.encode())
    material = SECRET if key == "secret" else key
    return signed + "." + b64(signature(sign_as or alg, material, signed.encode()))


def signed_with(material, alg, header, payload=None):
    """An HMAC over anything that an attacker may know."""
    signed = b64(json.dumps(header).encode()) + "." + b64(json.dumps(payload or claims()).encode())
    return signed + "." + b64(hmac.new(material, signed.encode(), "sha" + alg[2:]).digest())


SETS, CASES = {}, []
PUBLIC = ["rsa", "p256", "p384", "p521", "ed"]
SETS["all"] = {"keys": [jwk(name) for name in PUBLIC] + [jwk("secret")]}
SETS["public"] = {"keys": [jwk(name) for name in PUBLIC]}


def case(name, text, verdict, policy=None, keys="public", now=NOW):
    if not isinstance(keys, str):
        label = next((known for known, value in SETS.items() if value == keys), None)
        if label is None:
            label = f"of {name}"
            SETS[label] = keys
        keys = label
    assert name not in {known["name"] for known in CASES}, name
    CASES.append({"name": name, "keys": keys, "token": text, "policy": policy or {}, "now": now, "verdict": verdict})


def only(*keys):
    return {"keys": list(keys)}


def algorithms():
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]:
        case(f"{alg} is good", token("rsa", alg=alg), "ok")
        case(f"{alg} by another key is refused", token("rsa-other", alg=alg, header={"kid": "rsa"}), "signature")
    for key in ["p256", "p384", "p521", "ed"]:
        case(f"{algorithm_of(key)} is good", token(key), "ok")
    case("ES256 by another key is refused", token("p256-new", header={"kid": "p256"}), "signature")
    case("EdDSA by another key is refused", token("ed-new", header={"kid": "ed"}), "signature")
    case("EdDSA under its other name is good", token("ed", alg="Ed25519", sign_as="EdDSA"), "ok")
    for alg in ["HS256", "HS384", "HS512"]:
        case(f"{alg} is good", token("secret", alg=alg), "ok", keys="all")
    wrong = signed_with(b"x" * 64, "HS256", {"alg": "HS256", "kid": "secret"})
    case("HS256 with another secret is refused", wrong, "signature", keys="all")
    case("a listed algorithm is good", token("rsa"), "ok", {"algorithms": ["RS256", "ES256"]})
    case("an algorithm that is not listed is refused", token("rsa", alg="RS512"), "algorithm",
         {"algorithms": ["RS256", "ES256"]})


def none():
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""]:
        head = {"alg": alg, "typ": "JWT", "kid": "rsa"}
        unsigned = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims()).encode()) + "."
        case(f"an unsigned token of `{alg}` is refused", unsigned, "algorithm")
        kept = unsigned + token("rsa").rsplit(".", 1)[1]
        case(f"a token of `{alg}` with a signature is refused", kept, "algorithm")
    case("a token without its signature is refused", token("rsa").rsplit(".", 1)[0] + ".", "signature")
    case("a token without its last part is refused", token("rsa").rsplit(".", 1)[0], "malformed")
    head = {"typ": "JWT", "kid": "rsa"}
    bare = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims()).encode()) + "."
    case("a token without an algorithm is refused", bare, "header")


def confusion():
    known = {"the PEM": spki("rsa"), "the PEM without its last line end": spki("rsa").rstrip(),
             "the DER": KEYS["rsa"].public_key().public_bytes(serialization.Encoding.DER,
                                                              serialization.PublicFormat.SubjectPublicKeyInfo),
             "the modulus": base64.urlsafe_b64decode(jwk("rsa")["n"] + "=="),
             "the text of the modulus": jwk("rsa")["n"].encode(), "the JWK": json.dumps(jwk("rsa")).encode()}
    for what, material in known.items():
        forged = signed_with(material, "HS256", {"alg": "HS256", "typ": "JWT", "kid": "rsa"})
        case(f"HS256 with {what} of a public key is refused", forged, "unknown_key")
        nameless = signed_with(material, "HS256", {"alg": "HS256", "typ": "JWT"})
        case(f"HS256 with {what}, without kid, is refused", nameless, "unknown_key")
    point = base64.urlsafe_b64decode(jwk("ed")["x"] + "=")
    forged = signed_with(point, "HS256", {"alg": "HS256", "kid": "ed"})
    case("HS256 with the bytes of an Ed25519 key is refused", forged, "unknown_key")
    empty = signed_with(b"", "HS256", {"alg": "HS256", "kid": "secret"})
    case("HS256 with an empty secret is refused", empty, "signature", keys="all")
    case("an RSA signature that says ES256 is refused", token("rsa", alg="ES256", sign_as="RS256"), "unknown_key")
    case("an ES256 signature with the kid of P-384 is refused", token("p256", header={"kid": "p384"}), "unknown_key")
    case("RS256 that says PS256 is refused", token("rsa", alg="PS256", sign_as="RS256"), "signature")
    case("RS256 that says RS512 is refused", token("rsa", alg="RS512", sign_as="RS256"), "signature")
    bound = only(jwk("rsa", alg="RS256"))
    case("an algorithm that is the key's is good", token("rsa"), "ok", keys=bound)
    case("an algorithm that is not the key's is refused", token("rsa", alg="RS384"), "unknown_key", keys=bound)
    case("PS256 with a key for RS256 is refused", token("rsa", alg="PS256"), "unknown_key", keys=bound)
    case("a key for encryption is not used", token("rsa"), "unknown_key", keys=only(jwk("rsa", use="enc"), jwk("ed")))
    case("a key that is not for verifying is not used", token("rsa"), "unknown_key",
         keys=only(jwk("rsa", key_ops=["encrypt"]), jwk("ed")))
    case("a key that is for verifying is used", token("rsa"), "ok",
         keys=only(jwk("rsa", use="sig", key_ops=["verify"])))
    case("an RSA key of 1024 bits is not used", token("rsa-1024"), "unknown_key", keys=only(jwk("rsa-1024"), jwk("ed")))
    case("an RSA key with the exponent 1 is not used", token("rsa"), "unknown_key",
         keys=only(jwk("rsa", e="AQ"), jwk("ed")))
    case("an EC key off its curve is not used", token("p256"), "unknown_key",
         keys=only(jwk("p256", x=jwk("p256")["y"]), jwk("ed")))
    case("a curve that is not known is not used", token("k256"), "unknown_key", keys=only(jwk("k256"), jwk("ed")))
    case("a short secret is not used", signed_with(b"short", "HS256", {"alg": "HS256", "kid": "secret"}),
         "unknown_key", keys=only(jwk("secret", k=b64(b"short")), jwk("ed")))
    zeros = signed_zero("p256", 32)
    case("an ECDSA signature of zeros is refused", zeros, "signature")
    signed, proper = token("p256").rsplit(".", 1)
    der = KEYS["p256"].sign(signed.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    case("an ECDSA signature in DER is refused", signed + "." + b64(der), "signature")
    raw = base64.urlsafe_b64decode(proper + "==")
    case("an ECDSA signature with a zero more is refused", signed + "." + b64(b"\0" + raw), "signature")
    case("an ECDSA signature cut short is refused", signed + "." + b64(raw[:-1]), "signature")


def signed_zero(key, size):
    return token(key).rsplit(".", 1)[0] + "." + b64(bytes(2 * size))


def key_names():
    kids = {"a path": "../../../../dev/null", "a path with a null": "rsa\0", "SQL": "x' UNION SELECT 'key",
            "a URL": "https://evil.example/keys", "a command": "key|/usr/bin/id", "another case": "RSA",
            "a space": "rsa ", "an empty name": ""}
    for what, kid in kids.items():
        case(f"a kid of {what} is refused", token("rsa", header={"kid": kid}), "unknown_key")
        empty = signed_with(b"", "HS256", {"alg": "HS256", "kid": kid})
        case(f"a kid of {what} signed with nothing is refused", empty, "unknown_key", keys="all")
    case("a kid of a number is refused", token("rsa", header={"kid": 7}), "header")
    case("a kid of a list is refused", token("rsa", header={"kid": ["rsa"]}), "header")
    case("a kid of 257 bytes is refused", token("rsa", header={"kid": "k" * 257}), "header")
    case("a token without kid is tried with the keys that fit", token("rsa", header={"kid": None}), "ok")
    case("a key without kid is for tokens of any name", token("rsa"), "ok", keys=only(jwk("rsa", kid=None)))
    case("a key without kid is not for a name that another key has", token("rsa"), "signature",
         keys=only(jwk("rsa", kid=None), jwk("rsa-other", kid="rsa")))
    case("of two keys of one kid either is good", token("rsa"), "ok", keys=only(jwk("rsa-other", kid="rsa"), jwk("rsa")))
    many = [jwk("rsa-other", kid=f"k{i}") for i in range(4)] + [jwk("rsa")]
    case("a token without kid is tried with no more than four keys", token("rsa", header={"kid": None}), "signature",
         keys=only(*many))


def headers():
    own = jwk("rsa-other", kid="rsa")
    case("an embedded key is refused", token("rsa-other", header={"kid": "rsa", "jwk": own}), "header")
    case("an embedded key is refused even where the token is good", token("rsa", header={"jwk": jwk("rsa")}), "header")
    case("a jku is not followed", token("rsa-other", header={"kid": "rsa", "jku": "https://evil.example/keys"}),
         "signature")
    case("a jku without a known kid is refused", token("rsa-other", header={"jku": "https://evil.example/keys"}),
         "unknown_key")
    case("a jku of a good token does no harm", token("rsa", header={"jku": f"{ISSUER}/keys"}), "ok")
    case("an x5u is not followed", token("rsa-other", header={"kid": "rsa", "x5u": "https://evil.example/c"}),
         "signature")
    case("an x5c is not used", token("rsa-other", header={"kid": "rsa", "x5c": ["MIIB"]}), "signature")
    case("crit is refused", token("rsa", header={"crit": ["exp"], "exp": NOW + 600}), "header")
    case("an empty crit is refused", token("rsa", header={"crit": []}), "header")
    case("b64 is refused", token("rsa", header={"b64": False}), "header")
    case("zip is refused", token("rsa", header={"zip": "DEF"}), "header")
    case("an algorithm of a number is refused", token("rsa", raw_header='{"alg":256,"kid":"rsa"}'), "header")
    case("an algorithm of a list is refused", token("rsa", raw_header='{"alg":["RS256"],"kid":"rsa"}'), "header")
    case("an algorithm in lower case is refused", token("rsa", raw_header='{"alg":"rs256","kid":"rsa"}'), "algorithm")
    case("a header with a member twice is refused",
         token("rsa", raw_header='{"alg":"none","alg":"RS256","kid":"rsa"}'), "malformed")
    case("a header with an escaped member twice is refused",
         token("rsa", raw_header='{"alg":"RS256","\\u0061lg":"none","kid":"rsa"}'), "malformed")
    case("a header that is a list is refused", token("rsa", raw_header='["RS256"]'), "malformed")
    case("a header that is not JSON is refused", token("rsa", raw_header="RS256"), "malformed")
    case("a header with more behind it is refused", token("rsa", raw_header='{"alg":"RS256","kid":"rsa"}{}'),
         "malformed")
    case("a header of more than 4 KiB is refused", token("rsa", header={"x": "y" * 4096}), "too_large")
    case("a token of the type at+jwt is good", token("rsa", header={"typ": "at+jwt"}), "ok")
    case("a token without type is good", token("rsa", header={"typ": None}), "ok")
    for kind in ["dpop+jwt", "logout+jwt", "secevent+jwt", "application/DPoP+JWT"]:
        case(f"a token of the type {kind} is refused", token("rsa", header={"typ": kind}), "type")
    types = {"types": ["at+jwt"]}
    case("a listed type is good", token("rsa", header={"typ": "application/AT+JWT"}), "ok", types)
    case("a type that is not listed is refused", token("rsa"), "type", types)
    case("no type where types are listed is refused", token("rsa", header={"typ": None}), "type", types)


def forms():
    good = token("rsa")
    head, body, sign = good.split(".")
    case("nothing is refused", "", "malformed")
    case("two dots are refused", "..", "malformed")
    case("a word is refused", "token", "malformed")
    case("four parts are refused", good + ".x", "malformed")
    case("five parts, as of an encrypted token, are refused", good + "..x", "malformed")
    case("a space within is refused", f"{head}. {body}.{sign}", "signature")
    case("a space before is refused", " " + good, "malformed")
    case("a line end behind is refused", good + "\n", "malformed")
    case("padding is refused", f"{head}.{body}.{sign}==", "malformed")
    case("base64 that is not base64url is refused", f"{head}.{body}.+/{sign[2:]}", "malformed")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = sign[:-1] + last[last.index(sign[-1]) ^ 1]
    case("bits of the signature that mean nothing must be zero", f"{head}.{body}.{twin}", "malformed")
    other = b64(json.dumps(claims(sub="mallory")).encode())
    case("claims that were changed are refused", f"{head}.{other}.{sign}", "signature")
    case("claims of another token are refused", f"{head}.{token('ed').split('.')[1]}x.{sign}", "signature")
    case("a token of more than 8 KiB is refused", token("rsa", claims(x="y" * 8192)), "too_large")
    case("a token of 8 KiB is good", sized(8192), "ok")
    case("a header of 20 KB is refused", "a" * 20_000 + ".b.c", "too_large")
    case("thousands of dots are refused", "." * 8000, "malformed")


def sized(length):
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(token("rsa", claims(x="y" * middle))) <= length else (low, middle - 1)
    return token("rsa", claims(x="y" * low))


def payloads():
    whole = json.dumps(claims())
    raw = lambda text: token("rsa", raw_payload=text)
    case("claims with an exp twice are refused", raw(whole[:-1] + f',"exp":{NOW + 9999}}}'), "malformed")
    case("claims with an iss twice are refused", raw('{"iss":"https://evil.example",' + whole[1:]), "malformed")
    case("claims with an escaped member twice are refused", raw(whole[:-1] + ',"\\u0073ub":"root"}'), "malformed")
    case("claims with a member twice deep within are refused", raw(whole[:-1] + ',"a":{"b":1,"b":2}}'), "malformed")
    case("claims that are a list are refused", raw(f"[{whole}]"), "malformed")
    case("claims that are a text are refused", raw(json.dumps(whole)), "malformed")
    case("claims that are empty are refused", raw(""), "malformed")
    case("claims that are another token are refused", raw(token("rsa")), "malformed")
    case("claims with more behind them are refused", raw(whole + whole), "malformed")
    case("claims with a number out of range are refused", raw(whole[:-1] + ',"x":1e999}'), "malformed")
    case("claims nested too deep are refused", raw(whole[:-1] + ',"x":' + "[" * 40 + "]" * 40 + "}"), "malformed")
    case("claims that are not UTF-8 are refused", not_utf8(), "malformed")


def not_utf8():
    signed = token("rsa").split(".")[0] + "." + b64(b'{"iss":"\xff\xfe"}')
    return signed + "." + b64(signature("RS256", "rsa", signed.encode()))


def types():
    for name in ["exp", "nbf", "iat"]:
        for what, value in {"a text": str(NOW), "true": True, "null": None, "a list": [NOW], "an object": {},
                            "less than zero": -1}.items():
            case(f"{name} of {what} is refused", token("rsa", claims(**{name: value})), "claim_type")
    case("an exp with a fraction is good", token("rsa", claims(exp=NOW + 600.5)), "ok")
    case("an exp that is far away is good", token("rsa", claims(exp=10**30)), "ok")
    for name in ["iss", "sub"]:
        for what, value in {"a number": 7, "a list": [ISSUER], "null": None}.items():
            case(f"{name} of {what} is refused", token("rsa", claims(**{name: value})), "claim_type")
    for what, value in {"a number": 7, "an object": {"orders": True}, "null": None, "a list with a number": ["orders", 7],
                        }.items():
        case(f"aud of {what} is refused", token("rsa", claims(aud=value)), "claim_type")
    case("a scope of a number is refused", token("rsa", claims(scope=7)), "claim_type")
    case("scp of an object is refused", token("rsa", claims(scp={"a": 1})), "claim_type")


def times():
    skew = {"clock_skew": 30}
    edges = [("exp", NOW - 29, "ok"), ("exp", NOW - 30, "expired"), ("exp", NOW - 31, "expired"),
             ("exp", 0, "expired"), ("nbf", NOW + 30, "ok"), ("nbf", NOW + 31, "not_yet_valid"),
             ("iat", NOW + 30, "ok"), ("iat", NOW + 31, "issued_in_future")]
    for name, value, verdict in edges:
        payload = claims(**{name: value}) if name != "exp" else claims(exp=value, iat=...)
        case(f"{name} of now {value - NOW:+d} with a skew of 30 s", token("rsa", payload), verdict, skew)
    exact = {"clock_skew": 0}
    for name, value, verdict in [("exp", NOW + 1, "ok"), ("exp", NOW, "expired"), ("nbf", NOW, "ok"),
                                 ("nbf", NOW + 1, "not_yet_valid"), ("iat", NOW, "ok"),
                                 ("iat", NOW + 1, "issued_in_future")]:
        case(f"{name} of now {value - NOW:+d} without skew", token("rsa", claims(**{name: value})), verdict, exact)
    case("no exp is refused", token("rsa", claims(exp=...)), "no_expiry")
    case("no exp is good where that was allowed", token("rsa", claims(exp=...)), "ok", {"require_expiry": False})
    lifetime = {"max_lifetime": 3600}
    case("a lifetime as long as allowed is good", token("rsa", claims(iat=NOW, exp=NOW + 3600)), "ok", lifetime)
    case("a longer lifetime is refused", token("rsa", claims(iat=NOW, exp=NOW + 3601)), "lifetime", lifetime)
    case("a lifetime from nobody knows when is refused", token("rsa", claims(iat=...)), "lifetime", lifetime)
    case("no exp where the lifetime is bounded is refused", token("rsa", claims(exp=...)), "no_expiry",
         lifetime | {"require_expiry": False})


def policies():
    issuer = {"issuers": [ISSUER]}
    case("the issuer is good", token("rsa"), "ok", issuer)
    for what, value in {"another": "https://evil.example", "one with a slash more": ISSUER + "/",
                        "one in another case": ISSUER.upper(), "one with more behind": ISSUER + ".evil.example",
                        "an empty one": "", "none": ...}.items():
        case(f"an issuer that is {what} is refused", token("rsa", claims(iss=value)), "issuer", issuer)
    audience = {"audiences": ["orders", "billing"]}
    for what, value, verdict in [("one of those", "orders", "ok"), ("another", "evil", "audience"),
                                 ("a list with one of those", ["evil", "billing"], "ok"),
                                 ("a list of one", ["orders"], "ok"), ("a list of others", ["evil", "x"], "audience"),
                                 ("an empty list", [], "audience"), ("none", ..., "audience"),
                                 ("two in one text", "orders billing", "audience"), ("a part", "order", "audience"),
                                 ("one in another case", "Orders", "audience")]:
        case(f"an audience that is {what}", token("rsa", claims(aud=value)), verdict, audience)
    subject = {"subjects": ["alice"]}
    case("the subject is good", token("rsa"), "ok", subject)
    case("another subject is refused", token("rsa", claims(sub="mallory")), "subject", subject)
    case("no subject is refused", token("rsa", claims(sub=...)), "subject", subject)
    required = lambda **test: {"required": [test]}
    access = required(claim="token_use", one_of=["access"])
    case("a required claim is good", token("rsa", claims(token_use="access")), "ok", access)
    case("a required claim of another value is refused", token("rsa", claims(token_use="id")), "claim", access)
    case("a required claim that is missing is refused", token("rsa"), "claim", access)
    case("a required claim in a list is refused", token("rsa", claims(token_use=["access"])), "claim", access)
    case("a claim that must only be there is good", token("rsa", claims(tenant=0)), "ok", required(claim="tenant"))
    case("a claim that must be there and is null is refused", token("rsa", claims(tenant=None)), "claim",
         required(claim="tenant"))
    case("a number is not the text of it", token("rsa", claims(tenant="7")), "claim", required(claim="tenant", one_of=[7]))
    roles = required(claim="/realm_access/roles", contains=["admin"])
    case("a claim deep within is good", token("rsa", claims(realm_access={"roles": ["user", "admin"]})), "ok", roles)
    case("a claim deep within without the value is refused", token("rsa", claims(realm_access={"roles": ["user"]})),
         "claim", roles)
    case("a claim of the pointer's name is not meant", token("rsa", claims(**{"/realm_access/roles": ["admin"]})),
         "claim", roles)
    case("a word of a text is contained", token("rsa", claims(groups="user admin")), "ok",
         required(claim="groups", contains=["admin"]))
    case("a part of a word is not contained", token("rsa", claims(groups="administrator")), "claim",
         required(claim="groups", contains=["admin"]))
    case("a claim whose name has a colon is good", token("rsa", claims(**{"cognito:groups": ["admin"]})), "ok",
         required(claim="cognito:groups", contains=["admin"]))
    scopes = {"scopes": ["orders/read", "orders/write"]}
    for what, payload, verdict in [
            ("as one text", claims(scope="orders/write openid orders/read"), "ok"),
            ("as a list", claims(scope=["orders/read", "orders/write"]), "ok"),
            ("as scp", claims(scp=["orders/read", "orders/write"]), "ok"),
            ("in both claims together", claims(scope="orders/read", scp="orders/write"), "ok"),
            ("of which one is missing", claims(scope="orders/read"), "scope"),
            ("that are missing", claims(), "scope"), ("that are empty", claims(scope=""), "scope"),
            ("of which one is longer", claims(scope="orders/read orders/writeall"), "scope"),
            ("in another case", claims(scope="Orders/Read orders/write"), "scope"),
            ("with commas between", claims(scope="orders/read,orders/write"), "scope"),
            ("with tabs between", claims(scope="orders/read\torders/write"), "scope")]:
        case(f"scopes {what}", token("rsa", payload), verdict, scopes)


def rotation():
    stages = [("before", ["rsa"]), ("with both", ["rsa", "rsa-new"]), ("after", ["rsa-new"])]
    for stage, names in stages:
        keys = only(*[jwk(name) for name in names])
        for key in ["rsa", "rsa-new"]:
            case(f"rotation, {stage}: a token of {key}", token(key), "ok" if key in names else "unknown_key", keys=keys)
    both = only(jwk("rsa"), jwk("ed-new"))
    case("rotation to another type: the old key is good", token("rsa"), "ok", keys=both)
    case("rotation to another type: the new key is good", token("ed-new"), "ok", keys=both)
    nameless = only(jwk("rsa", kid=None), jwk("rsa-new", kid=None))
    for key in ["rsa", "rsa-new"]:
        case(f"rotation without names: a token of {key}", token(key, header={"kid": None}), "ok", keys=nameless)
    swapped = only(jwk("rsa-new", kid="rsa"))
    case("a key that took over a name takes the old tokens with it", token("rsa"), "signature", keys=swapped)
    case("no key at all", token("rsa"), "unknown_key", keys=only())


def documents():
    case("a JWKS with a member twice is no JWKS", token("rsa"), "invalid_keys",
         keys='{"keys":[' + json.dumps(jwk("rsa")) + '],"keys":[]}')
    case("a JWKS with a member of a key twice is no JWKS", token("rsa"), "invalid_keys",
         keys='{"keys":[' + json.dumps(jwk("rsa"))[:-1] + ',"kid":"x"}]}')
    case("a JWKS that is a list is no JWKS", token("rsa"), "invalid_keys", keys=json.dumps([jwk("rsa")]))
    case("a page in HTML is no JWKS", token("rsa"), "invalid_keys", keys="<!doctype html><title>Log in</title>")
    case("a JWKS of 101 keys is no JWKS", token("rsa"), "invalid_keys",
         keys=json.dumps({"keys": [jwk("ed", kid=f"k{i}") for i in range(101)]}))
    case("a private key in a JWKS is not used", token("rsa"), "unknown_key",
         keys=only(jwk("rsa", d="AQAB"), jwk("ed")))


def main():
    for part in [algorithms, none, confusion, key_names, headers, forms, payloads, types, times, policies, rotation,
                 documents]:
        part()
    for known in CASES:
        # A set given as text is its own, and may be no JSON.
        if known["keys"] not in SETS:
            known["jwks"] = known.pop("keys")
    text = json.dumps({"sets": SETS, "cases": CASES}, indent=1, ensure_ascii=True)
    (HERE / "cases.json").write_text(text + "\n")
    print(f"{len(CASES)} cases, {sum(known['verdict'] == 'ok' for known in CASES)} of them good")


main()
