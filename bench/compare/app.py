"""An app in Python: HTTP/1.1 at $HOST:$PORT on one thread, each request of which takes 10 ms of its processor."""

import asyncio
import os
import time

SECONDS = 0.010
BODY = b"x" * 786
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Requests(asyncio.Protocol):
    """One connection. Requests have no bodies here."""

    def connection_made(self, transport):
        self.transport, self.received = transport, b""

    def data_received(self, data):
        self.received += data
        while b"\r\n\r\n" in self.received:
            _, _, self.received = self.received.partition(b"\r\n\r\n")
            work()
            self.transport.write(ANSWER)


def work():
    """By the thread's own clock, so that it is as much work when others run, too."""
    end = time.thread_time() + SECONDS
    while time.thread_time() < end:
        sum(range(100))


async def serve():
    server = await asyncio.get_running_loop().create_server(Requests, os.environ["HOST"], int(os.environ["PORT"]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
