/*
 * A client of a ramet primary in C, on Debian's libzmq. It calls a method of the
 * application's bus, subscribes to commits and prints the changes they brought.
 * docs/zmq-wire.md describes what goes over the wire.
 *
 *	cc -o client client.c $(pkg-config --cflags --libs libzmq libsodium)
 *	./client ADDRESS WORKSPACE SECRET METHOD BODY CHANGES
 *
 * ADDRESS is an endpoint of `ramet status` without "zmq+", WORKSPACE the UUID there,
 * SECRET the file .ramet/secret of the workspace ("-": try without it, to be
 * refused), CHANGES how many changes to wait for. Exit status: 0 done, 1 broken,
 * 2 usage, 3 refused.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { KIND_CALL = 1, KIND_REPLY = 2, KIND_FAIL = 3, KIND_EVENT = 6, KIND_SUBSCRIBE = 7, KIND_GOODBYE = 9 };
enum { HELLO = 42, PROOF = 32, SEAL = 16, HEADER = 9, SUBSCRIPTION = 1 };

/* A buffer that grows. */
typedef struct {
	uint8_t *p;
	size_t len, cap;
} buf;

static void *sock, *monitor;
static uint8_t secret[32];
static int have_secret, sealed;
static buf said; /* all messages of the handshake */
static uint8_t key_out[32], key_in[32];
static uint64_t number_out, number_in, last_id = SUBSCRIPTION;

static void die(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, zmq_strerror(zmq_errno()));
	exit(1);
}

static void put(buf *b, const void *p, size_t n)
{
	if (b->len + n > b->cap) {
		b->cap = 2 * (b->len + n);
		b->p = realloc(b->p, b->cap);
		if (b->p == NULL)
			die("memory");
	}
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
}

/* Numbers are big endian. */
static void put_uint(buf *b, uint64_t v, int bytes)
{
	for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
		uint8_t byte = (uint8_t)(v >> shift);
		put(b, &byte, 1);
	}
}

static uint64_t get_uint(const uint8_t *p, int bytes)
{
	uint64_t v = 0;
	while (bytes-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* mac computes HMAC-SHA256 over a label, what was said and more. */
static void mac(uint8_t out[32], const char *label, const buf *more)
{
	crypto_auth_hmacsha256_state s;
	crypto_auth_hmacsha256_init(&s, secret, sizeof secret);
	crypto_auth_hmacsha256_update(&s, (const uint8_t *)label, strlen(label));
	crypto_auth_hmacsha256_update(&s, said.p, said.len);
	if (more != NULL)
		crypto_auth_hmacsha256_update(&s, more->p, more->len);
	crypto_auth_hmacsha256_final(&s, out);
}

static void send_message(const buf *m)
{
	if (zmq_send(sock, m->p, m->len, 0) < 0)
		die("send");
}

/* receive blocks for the next message; when the server ends the connection it exits. */
static void receive(buf *m)
{
	zmq_pollitem_t items[] = {{sock, 0, ZMQ_POLLIN, 0}, {monitor, 0, ZMQ_POLLIN, 0}};
	while (zmq_poll(items, 2, 30000) > 0) {
		if (items[0].revents != 0) {
			zmq_msg_t z;
			zmq_msg_init(&z);
			if (zmq_msg_recv(&z, sock, 0) < 0)
				die("receive");
			m->len = 0;
			put(m, zmq_msg_data(&z), zmq_msg_size(&z));
			zmq_msg_close(&z);
			return;
		}
		fprintf(stderr, "client: the server ended the connection\n");
		exit(1);
	}
	die("wait for the server");
}

/* handshake proves both sides to each other, or exits. */
static void handshake(const char *workspace)
{
	buf hello = {0}, scope = {0}, claim = {0}, m = {0};
	uint8_t nonce[32], proof[32];

	put(&hello, "RAMETzmq", 8);
	put_uint(&hello, 1, 2);
	randombytes_buf(nonce, sizeof nonce);
	put(&hello, nonce, sizeof nonce);
	send_message(&hello);
	put(&said, hello.p, hello.len);

	receive(&m); /* challenge */
	if (m.len != HELLO + PROOF || memcmp(m.p, hello.p, 10) != 0) {
		fprintf(stderr, "client: what answers is no ramet instance of this version\n");
		exit(1);
	}
	buf part = {m.p, HELLO, 0};
	mac(proof, "ramet zmq 1 challenge", &part);
	if (have_secret && sodium_memcmp(proof, m.p + HELLO, PROOF) != 0) {
		fprintf(stderr, "client: what answers does not have the workspace's secret\n");
		exit(1);
	}
	put(&said, m.p, m.len);

	const char *texts[] = {workspace, "c-client", "c-client", "", ""}; /* workspace, instance, incarnation, role, fingerprint */
	put_uint(&scope, 0, 8);                                          /* any epoch */
	put_uint(&scope, 0, 8);                                          /* process id */
	for (int i = 0; i < 5; i++) {
		put_uint(&scope, strlen(texts[i]), 2);
		put(&scope, texts[i], strlen(texts[i]));
	}
	put_uint(&claim, scope.len, 2);
	put(&claim, scope.p, scope.len);
	mac(proof, "ramet zmq 1 claim", &claim);
	put(&claim, proof, PROOF);
	send_message(&claim);
	put(&said, claim.p, claim.len);

	receive(&m); /* welcome */
	if (m.len < 6 + PROOF || get_uint(m.p + 4, 2) != m.len - 6 - PROOF) {
		fprintf(stderr, "client: damaged welcome\n");
		exit(1);
	}
	uint64_t code = get_uint(m.p, 4);
	if (code != 0) {
		printf("refused %d: %.*s\n", (int)code, (int)(m.len - 6 - PROOF), (char *)m.p + 6);
		exit(3);
	}
	part = (buf){m.p, m.len - PROOF, 0};
	mac(proof, "ramet zmq 1 welcome", &part);
	if (sodium_memcmp(proof, m.p + m.len - PROOF, PROOF) != 0) {
		fprintf(stderr, "client: the welcome was not sent by who has the secret\n");
		exit(1);
	}
	put(&said, m.p, m.len);
	mac(key_out, "ramet zmq 1 to server", NULL);
	mac(key_in, "ramet zmq 1 to client", NULL);
}

/* seal computes the MAC that ends a frame on TCP. */
static void seal(uint8_t out[32], const uint8_t key[32], uint64_t number, const uint8_t *p, size_t n)
{
	crypto_auth_hmacsha256_state s;
	buf b = {0};
	put_uint(&b, number, 8);
	crypto_auth_hmacsha256_init(&s, key, 32);
	crypto_auth_hmacsha256_update(&s, b.p, b.len);
	crypto_auth_hmacsha256_update(&s, p, n);
	crypto_auth_hmacsha256_final(&s, out);
	free(b.p);
}

static void send_frame(buf *f)
{
	if (sealed) {
		uint8_t tag[32];
		seal(tag, key_out, number_out++, f->p, f->len);
		put(f, tag, SEAL);
	}
	send_message(f);
}

static void receive_frame(buf *f)
{
	receive(f);
	if (sealed) {
		uint8_t tag[32];
		size_t n = f->len < SEAL ? 0 : f->len - SEAL;
		seal(tag, key_in, number_in++, f->p, n);
		if (n == 0 || sodium_memcmp(tag, f->p + n, SEAL) != 0) {
			fprintf(stderr, "client: a frame was not sealed by the server\n");
			exit(1);
		}
		f->len = n;
	}
	if (f->len < HEADER) {
		fprintf(stderr, "client: a frame without a header\n");
		exit(1);
	}
	if (f->p[0] == KIND_GOODBYE) {
		printf("goodbye\n");
		exit(0);
	}
}

static int commits; /* seen and not followed up */

/* event prints an event and notes commits. */
static void event(const buf *f)
{
	const uint8_t *p = f->p + HEADER, *end = f->p + f->len;
	if (end - p < 26)
		return;
	uint64_t event_number = get_uint(p, 8), lost = get_uint(p + 8, 8);
	size_t topic = get_uint(p + 24, 2);
	if ((size_t)(end - p) < 26 + topic)
		return;
	printf("event %llu %.*s lost %llu\n", (unsigned long long)event_number, (int)topic, (char *)p + 26, (unsigned long long)lost);
	commits++;
}

/* answer waits for the answer to a call or subscription. */
static void answer(uint64_t id, buf *f)
{
	for (;;) {
		receive_frame(f);
		if (f->p[0] == KIND_EVENT) {
			event(f);
		} else if (get_uint(f->p + 1, 8) == id) {
			if (f->p[0] == KIND_REPLY)
				return;
			printf("failed: %.*s\n", (int)(f->len - HEADER), (char *)f->p + HEADER);
			exit(1);
		}
	}
}

/* call asks the primary and leaves the answer, a frame, in f. */
static void call(const char *op, const void *body, size_t n, buf *f)
{
	buf b = {0};
	uint64_t id = ++last_id;
	put_uint(&b, KIND_CALL, 1);
	put_uint(&b, id, 8);
	put_uint(&b, 0, 8);              /* epoch: any */
	put_uint(&b, 10000000000ULL, 8); /* 10 s */
	put_uint(&b, strlen(op), 1);
	put(&b, op, strlen(op));
	put(&b, body, n);
	send_frame(&b);
	free(b.p);
	answer(id, f);
}

/* put_field appends a field of a protobuf message. */
static void put_field(buf *b, int field, const char *s)
{
	size_t n = strlen(s);
	put_uint(b, (uint64_t)(field << 3 | 2), 1);
	for (; n > 127; n >>= 7)
		put_uint(b, (n & 127) | 128, 1);
	put_uint(b, n, 1);
	put(b, s, strlen(s));
}

/* follow prints changes until there were enough. */
static void follow(int want)
{
	buf f = {0};
	char position[256] = "";
	while (want > 0) {
		if (commits == 0) {
			receive_frame(&f);
			if (f.p[0] == KIND_EVENT)
				event(&f);
			continue;
		}
		commits = 0;
		for (;;) {
			call("changes", position, strlen(position), &f);
			put(&f, "", 1);
			char *line = strtok((char *)f.p + HEADER, "\n");
			if (line == NULL)
				break;
			for (; line != NULL; line = strtok(NULL, "\n"), want--) {
				printf("change %s\n", line);
				sscanf(line, "{\"position\":\"%255[^\"]", position);
			}
			fflush(stdout);
		}
	}
	free(f.p);
}

static void read_secret(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL || fread(secret, 1, sizeof secret, f) != sizeof secret) {
		fprintf(stderr, "client: no secret in %s\n", path);
		exit(2);
	}
	fclose(f);
	have_secret = 1;
}

static void connect_to(const char *address)
{
	void *context = zmq_ctx_new();
	/* A new connection begins with a handshake of ours, so libzmq must not make one
	   by itself. Heartbeats find a server that is stopped. */
	int never = -1, every = 100, patience = 500, linger = 0;
	sock = zmq_socket(context, ZMQ_DEALER);
	zmq_setsockopt(sock, ZMQ_RECONNECT_IVL, &never, sizeof never);
	zmq_setsockopt(sock, ZMQ_HEARTBEAT_IVL, &every, sizeof every);
	zmq_setsockopt(sock, ZMQ_HEARTBEAT_TIMEOUT, &patience, sizeof patience);
	zmq_setsockopt(sock, ZMQ_LINGER, &linger, sizeof linger);
	if (zmq_socket_monitor(sock, "inproc://monitor", ZMQ_EVENT_DISCONNECTED) < 0)
		die("monitor");
	monitor = zmq_socket(context, ZMQ_PAIR);
	if (zmq_connect(monitor, "inproc://monitor") < 0 || zmq_connect(sock, address) < 0)
		die(address);
	sealed = strncmp(address, "tcp:", 4) == 0;
}

int main(int argc, char **argv)
{
	buf f = {0}, job = {0}, subscribe = {0};
	if (argc != 7 || sodium_init() < 0) {
		fprintf(stderr, "usage: client ADDRESS WORKSPACE SECRET METHOD BODY CHANGES\n");
		return 2;
	}
	if (strcmp(argv[3], "-") != 0)
		read_secret(argv[3]);
	connect_to(argv[1]);
	handshake(argv[2]);

	put_field(&job, 2, argv[4]);
	put_field(&job, 3, argv[5]);
	call("bus.call", job.p, job.len, &f);
	printf("reply %.*s\n", (int)(f.len - HEADER), (char *)f.p + HEADER);

	put_uint(&subscribe, KIND_SUBSCRIBE, 1);
	put_uint(&subscribe, SUBSCRIPTION, 8);
	put_uint(&subscribe, 0, 8); /* from now on */
	put(&subscribe, "k:commit", 8);
	send_frame(&subscribe);
	answer(SUBSCRIPTION, &f);
	printf("subscribed\n");
	fflush(stdout);
	commits = 1; /* look once without a hint: what was there before counts too */
	follow(atoi(argv[6]));
	printf("done\n");
	return 0;
}
