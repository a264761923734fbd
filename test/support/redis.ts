import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../programs/free-port.js'

/** A Redis of the test's own, which it may flush, stop and kill. */
export interface OwnRedis {
  readonly url: string
  readonly port: number
  /** One command over a connection of its own, as an operator would give it; the answer's first line. */
  command(...words: string[]): Promise<string>
  /** SIGKILLs the server. */
  kill(): Promise<void>
  /** Starts it again at the same port: from its snapshot if it has saved one, else empty. */
  start(): Promise<void>
  /** Stops the server as SIGSTOP does: connections stay, answers do not come. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** Whether this machine has a `redis-server` to start; where not, says so loudly (with CI=true: throws). */
export function hasRedisServer(): boolean {
  if (spawnSync('redis-server', ['--version']).status === 0) return true
  const missing = 'There is no redis-server binary here (apt-get install redis-server)'
  if (process.env.CI === 'true') throw new Error(`${missing}, and with CI=true nothing may be skipped.`)
  console.warn(`NOT TESTED HERE: what needs a Redis that can be restarted and flushed. ${missing}.`)
  return false
}

/** Starts a Redis on a free port, with no persistence but what `SAVE` writes. */
export async function startRedis(...settings: string[]): Promise<OwnRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'counterfoil-redis-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...settings]
  let child: ChildProcess | null = null
  const command = (...words: string[]): Promise<string> => send(port, words)
  const start = async (): Promise<void> => {
    const started = spawn('redis-server', args, { stdio: 'ignore' })
    child = started
    const killWithUs = (): boolean => started.kill('SIGKILL')
    process.once('exit', killWithUs)
    started.once('exit', () => process.off('exit', killWithUs))
    while ((await command('PING').catch(() => '')) !== '+PONG') {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const kill = async (): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    command,
    kill,
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop: async () => {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Starts a Redis Cluster of two nodes, each with half of the slots. */
export async function startRedisCluster(): Promise<readonly [OwnRedis, OwnRedis]> {
  const buses = [await freePort(), await freePort()] as const
  const nodes = [await startNode(buses[0]), await startNode(buses[1])] as const
  await nodes[0].command('CLUSTER', 'ADDSLOTSRANGE', '0', '8191')
  await nodes[1].command('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383')
  await nodes[0].command('CLUSTER', 'MEET', '127.0.0.1', String(nodes[1].port), String(buses[1]))
  for (const node of nodes) {
    for (const key of ['a', 'b']) {
      while ((await node.command('GET', key)).startsWith('-CLUSTERDOWN')) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  return nodes
}

function startNode(bus: number): Promise<OwnRedis> {
  return startRedis('--cluster-enabled', 'yes', '--cluster-port', String(bus))
}

function send(port: number, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.setEncoding('utf8')
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('Redis closed the connection')))
    socket.once('data', (data) => {
      resolve(String(data).split('\r\n')[0] ?? '')
      socket.destroy()
    })
    const lines = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    socket.write(`*${words.length}\r\n${lines.join('')}`)
  })
}
