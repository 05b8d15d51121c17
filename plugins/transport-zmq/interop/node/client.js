// A client of a ramet primary in Node, on npm's zeromq. It calls a method of the
// application's bus, subscribes to commits and prints the changes they brought.
// docs/zmq-wire.md describes what goes over the wire.
//
//	node client.js ADDRESS WORKSPACE SECRET METHOD BODY CHANGES
//
// ADDRESS is an endpoint of `ramet status` without "zmq+", WORKSPACE the UUID there,
// SECRET the file .ramet/secret of the workspace ("-": try without it, to be
// refused), CHANGES how many changes to wait for. Exit status: 0 done, 1 broken,
// 2 usage, 3 refused.
"use strict"
const crypto = require("node:crypto")
const fs = require("node:fs")
const zmq = require("zeromq")

const kind = {call: 1, reply: 2, fail: 3, event: 6, subscribe: 7, goodbye: 9}
const helloBytes = 42, proofBytes = 32, sealBytes = 16, headerBytes = 9

class Refused extends Error {}

const uint = (v, bytes) => {
	const b = Buffer.alloc(8)
	b.writeBigUInt64BE(BigInt(v))
	return b.subarray(8 - bytes)
}
const text = s => Buffer.concat([uint(Buffer.byteLength(s), 2), Buffer.from(s)])
const hmac = (key, ...parts) => {
	const h = crypto.createHmac("sha256", key)
	for (const p of parts) h.update(p)
	return h.digest()
}
const same = (a, b) => a.length === b.length && crypto.timingSafeEqual(a, b)

class Client {
	constructor(address, secret) {
		// A new connection begins with a handshake of ours, so the library must not make
		// one by itself.
		this.socket = new zmq.Dealer({reconnectInterval: -1, heartbeatInterval: 100, heartbeatTimeout: 500, linger: 0, receiveTimeout: 30000})
		this.socket.events.on("disconnect", () => this.socket.close())
		this.socket.connect(address)
		this.sealed = address.startsWith("tcp:")
		this.secret = secret ?? Buffer.alloc(32)
		this.haveSecret = secret !== undefined
		this.said = []
		this.lastID = 0n
		this.waiting = new Map() // id -> {resolve, reject}
		this.onEvent = () => {}
	}

	async receive() {
		const [m] = await this.socket.receive()
		return m
	}

	async say(m) {
		this.said.push(m)
		await this.socket.send(m)
	}

	// handshake proves both sides to each other.
	async handshake(workspace) {
		const start = Buffer.concat([Buffer.from("RAMETzmq"), uint(1, 2)])
		await this.say(Buffer.concat([start, crypto.randomBytes(32)]))

		const challenge = await this.receive()
		if (challenge.length !== helloBytes + proofBytes || !same(challenge.subarray(0, 10), start))
			throw new Error("what answers is no ramet instance of this version")
		const expected = hmac(this.secret, "ramet zmq 1 challenge", ...this.said, challenge.subarray(0, helloBytes))
		if (this.haveSecret && !same(challenge.subarray(helloBytes), expected))
			throw new Error("what answers does not have the workspace's secret")
		this.said.push(challenge)

		const scope = Buffer.concat([uint(0, 8), uint(process.pid, 8), // any epoch
			text(workspace), text("node-client"), text("node-" + process.pid), text(""), text("")])
		const claim = Buffer.concat([uint(scope.length, 2), scope])
		await this.say(Buffer.concat([claim, hmac(this.secret, "ramet zmq 1 claim", ...this.said, claim)]))

		const welcome = await this.receive()
		const content = welcome.subarray(0, -proofBytes)
		if (content.readUInt32BE(0) !== 0)
			throw new Refused(`refused ${content.readUInt32BE(0)}: ${content.subarray(6)}`)
		if (!same(welcome.subarray(-proofBytes), hmac(this.secret, "ramet zmq 1 welcome", ...this.said, content)))
			throw new Error("the welcome was not sent by who has the secret")
		this.said.push(welcome)
		this.out = {key: hmac(this.secret, "ramet zmq 1 to server", ...this.said), number: 0n}
		this.in = {key: hmac(this.secret, "ramet zmq 1 to client", ...this.said), number: 0n}
		this.reading = this.read()
	}

	// seal returns what ends a frame on TCP.
	seal(side, content) {
		return hmac(side.key, uint(side.number++, 8), content).subarray(0, sealBytes)
	}

	open(m) {
		if (!this.sealed) return m
		const content = m.subarray(0, -sealBytes)
		if (!same(m.subarray(-sealBytes), this.seal(this.in, content)))
			throw new Error("a frame was not sealed by the server")
		return content
	}

	// read hands out what comes, until the connection ends.
	async read() {
		try {
			for (;;) {
				const f = this.open(await this.receive())
				const payload = f.subarray(headerBytes)
				const waiting = this.waiting.get(f.readBigUInt64BE(1))
				switch (f[0]) {
				case kind.event: this.onEvent(decodeEvent(payload)); break
				case kind.reply: waiting?.resolve(payload); break
				case kind.fail: waiting?.reject(new Error("failed: " + payload)); break
				case kind.goodbye: throw new Error("the server said goodbye")
				}
			}
		} catch (err) {
			for (const w of this.waiting.values()) w.reject(err)
			this.waiting.clear()
		}
	}

	// ask sends a frame and waits for its answer.
	async ask(k, ...payload) {
		const id = ++this.lastID
		const frame = Buffer.concat([uint(k, 1), uint(id, 8), ...payload])
		const answer = new Promise((resolve, reject) => this.waiting.set(id, {resolve, reject}))
		await this.socket.send(this.sealed ? Buffer.concat([frame, this.seal(this.out, frame)]) : frame)
		try {
			return await answer
		} finally {
			this.waiting.delete(id)
		}
	}

	call(op, body) {
		const timeout = 10n * 1000000000n
		return this.ask(kind.call, uint(0, 8), uint(timeout, 8), uint(op.length, 1), Buffer.from(op), Buffer.from(body))
	}

	// subscribe asks for events; after: the number of the last one seen, 0: from now on.
	subscribe(prefix, after = 0) {
		return this.ask(kind.subscribe, uint(after, 8), Buffer.from(prefix))
	}
}

function decodeEvent(p) {
	const size = p.readUInt16BE(24)
	return {number: p.readBigUInt64BE(0), lost: p.readBigUInt64BE(8), epoch: p.readBigUInt64BE(16), topic: String(p.subarray(26, 26 + size))}
}

// field returns a field of a protobuf message.
function field(n, s) {
	const b = Buffer.from(s), size = []
	let rest = b.length
	for (; rest > 127; rest >>= 7) size.push(rest & 127 | 128)
	return Buffer.concat([Buffer.from([n << 3 | 2, ...size, rest]), b])
}

async function main([address, workspace, secret, method, body, count]) {
	const client = new Client(address, secret === "-" ? undefined : fs.readFileSync(secret))
	await client.handshake(workspace)
	const reply = await client.call("bus.call", Buffer.concat([field(2, method), field(3, body)]))
	console.log("reply " + reply)

	let hint = () => {}
	client.onEvent = e => {
		console.log(`event ${e.number} ${e.topic} lost ${e.lost}`)
		hint()
	}
	let hinted = new Promise(resolve => hint = resolve)
	await client.subscribe("k:commit")
	console.log("subscribed")
	for (let want = Number(count), position = ""; want > 0;) {
		const lines = String(await client.call("changes", position)).split("\n").filter(Boolean)
		for (const line of lines) {
			console.log("change " + line)
			position = JSON.parse(line).position
			want--
		}
		if (lines.length === 0 && want > 0) {
			await Promise.race([hinted, client.reading.then(() => { throw new Error("the connection ended") })])
			hinted = new Promise(resolve => hint = resolve)
		}
	}
	console.log("done")
}

if (process.argv.length !== 8) {
	console.error("usage: client.js ADDRESS WORKSPACE SECRET METHOD BODY CHANGES")
	process.exit(2)
}
main(process.argv.slice(2)).then(
	() => process.exit(0),
	err => {
		console.log(err.message)
		process.exit(err instanceof Refused ? 3 : 1)
	})
