#!/usr/bin/env python3
"""A server that speaks a language nobody here knows: `foreign_words.py SOCKET SERVER-SOCKET` listens on SOCKET and passes
everything on to the server and back, but for the letters in the words of errors and notices, which it changes (rot13).
Severities and SQLSTATEs stay, as they do where lc_messages is set. Ends when it is killed.
"""
import codecs
import socket
import sys
import threading

WORDS = b"MDHW"  # message, detail, hint, where: PostgreSQL's manual, "Error and Notice Message Fields"


def translate(payload):
    fields = payload.rstrip(b"\0").split(b"\0")
    said = [codecs.encode(f.decode("latin-1"), "rot13").encode("latin-1") for f in fields]
    return b"\0".join(f[:1] + new[1:] if f[:1] in WORDS else f for f, new in zip(fields, said)) + b"\0\0"


def receive(source, n):
    data = b""
    while len(data) < n:
        more = source.recv(n - len(data))
        if not more:
            return None
        data += more
    return data


def answers(server, client):
    """Message by message: a letter, a length that counts itself, and what follows."""
    while head := receive(server, 5):
        payload = receive(server, int.from_bytes(head[1:], "big") - 4)
        if payload is None:
            break
        if head[:1] in b"EN":
            payload = translate(payload)
            head = head[:1] + (len(payload) + 4).to_bytes(4, "big")
        client.sendall(head + payload)


def questions(client, server):
    while data := client.recv(65536):
        server.sendall(data)


def pump(way, source, target):
    try:
        way(source, target)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[1])
    listening.listen(20)
    while True:
        client, _ = listening.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(sys.argv[2])
        for way in ((answers, server, client), (questions, client, server)):
            threading.Thread(target=pump, args=way, daemon=True).start()


if __name__ == "__main__":
    main()
