"""What a bundle says to whoever opens it. The text belongs to the format: another text is another format."""

TEXT = r"""This is evidence from the log of a hub of agents: what happened in one session, what led to it, and proof.

  checkpoint.txt     what the log was when this was made: its id, its number of events, the root of the Merkle tree
                     over all of them (RFC 6962, SHA-256), in base64; below an empty line the signatures, if any.
                     The form is C2SP's: c2sp.org/tlog-checkpoint and c2sp.org/signed-note.
  events.jsonl       the events for reading, one JSON object a line, in the order of the log. "role" says why an event
                     is here: "session", it belongs to it; "cause", an event here names it as its cause; "agent", it
                     registered somebody who is named here.
  events/N.tlog-proof   the proof that the event at position N is in the log (c2sp.org/tlog-proof). Its line "extra" is
                     what was hashed: the event's facts, and the SHA-256 of its content.
  events/N.content   the content, what people and agents wrote, in msgpack. It may be left out: proofs do not need it.
  manifest.json      how many, and the SHA-256 of every file.

With ledgerhub:   replay bundle check FILE.zip --key VERIFIER_KEY

Get the verifier key from the signer by another way than this file. What follows is the same by hand, in bash, with
sha256sum, base64, od and openssl (3.0 or newer). Unpack the bundle, go into its folder, and begin with the position of
an event and the verifier key:

    POSITION=1
    KEY='NAME+ID+BASE64'

1. The signature. The signed text is checkpoint.txt up to the empty line; the key is an Ed25519 key behind one byte, 01.

    PUBLIC=${KEY#*+}; PUBLIC=${PUBLIC#*+}
    (printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00'; echo "$PUBLIC" | base64 -d | tail -c 32) > key.der
    sed '/^$/,$d' checkpoint.txt > text
    grep -F -m 1 "— ${KEY%%+*} " checkpoint.txt | cut -d ' ' -f 3 | base64 -d | tail -c 64 > signature
    openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile signature

2. The content. Its SHA-256 is the last 32 bytes of what was hashed. An event without content has no such file.

    hex() { od -An -v -tx1 | tr -d ' \n'; }
    NAME=events/$(printf '%010d' "$POSITION")
    sed -n 's/^extra //p' "$NAME.tlog-proof" | base64 -d > leaf
    if [ -e "$NAME.content" ]; then
      [ "$(sha256sum < "$NAME.content" | cut -c 1-64)" = "$(tail -c 32 leaf | hex)" ] && echo "The content is whole"
    fi

3. The proof. From the hash of 00 and the leaf, every line of the proof leads one step up: SHA-256 of 01, left, right.

    pair() { printf '%b' "$(echo "01$1$2" | sed 's/../\\x&/g')" | sha256sum | cut -c 1-64; }
    NODE=$( (printf '\0'; cat leaf) | sha256sum | cut -c 1-64)
    INDEX=$((POSITION - 1))
    LAST=$(($(sed -n 2p checkpoint.txt) - 1))
    for LINE in $(sed -n '/^index /,/^$/p' "$NAME.tlog-proof" | sed 1d); do
      SIBLING=$(echo "$LINE" | base64 -d | hex)
      if [ $((INDEX % 2)) = 1 ] || [ "$INDEX" = "$LAST" ]; then
        NODE=$(pair "$SIBLING" "$NODE")
        while [ $((INDEX % 2)) = 0 ] && [ "$INDEX" != 0 ]; do INDEX=$((INDEX / 2)); LAST=$((LAST / 2)); done
      else
        NODE=$(pair "$NODE" "$SIBLING")
      fi
      INDEX=$((INDEX / 2)); LAST=$((LAST / 2))
    done
    ROOT=$(sed -n 3p checkpoint.txt | base64 -d | hex)
    [ "$LAST" = 0 ] && [ "$NODE" = "$ROOT" ] && echo "The event is in the log"

What this shows: the signer had a log of that id whose first events are, unchanged, the ones proven here, at these
positions. What it does not show: that the log is true, when it was signed, or that nothing else happened: events behind
the last one here, in other sessions, or without a number of their own may have been left out. A session's envelopes are
numbered from 1, so that one left out between others is missed. Where checkpoint.txt has no signature, whoever made this
file could have made the log for it.
"""
