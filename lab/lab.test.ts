import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { FAULTS } from './faults/index.js'
import type { Result } from './result.js'
import { STRATEGIES } from './strategies/index.js'

/** The lab as `npm run demo` runs it, compiled: its many processes would start three times as slowly from the sources. */
const compiled = new URL('../build/lab/', import.meta.url)
const program = fileURLToPath(new URL('main.js', compiled))

beforeAll(async () => {
  const [root, compiler] = ['..', '../node_modules/typescript/bin/tsc'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  await promisify(execFile)(process.execPath, [compiler ?? '', '-b', 'lab'], { cwd: root })
}, 60_000)

/** Cells that stand for the others: each fault once at least, and each way in which a strategy can end. */
const SAMPLE: readonly (readonly [strategy: string, gateway: string, fault: string])[] = [
  ['naive', 'none', 'none'],
  ['naive', 'none', 'duplicate-delivery'],
  ['inbox', 'none', 'two-messages'],
  ['row-lock', 'none', 'response-lost'],
  ['pre-check', 'lookup', 'late-commit'],
  ['pre-check', 'lookup', 'lagging-lookup'],
  ['outbox', 'none', 'frozen'],
  ['outbox-audit', 'none', 'killed'],
  ['idempotency-key', 'keys', 'killed'],
  ['idempotency-key', 'keys', 'pruned-key'],
  ['naive', 'none', 'database-restart'],
  ['counterfoil', 'keys', 'pruned-key'],
  ['counterfoil', 'keys', 'database-restart'],
  ['counterfoil', 'lookup', 'late-commit'],
  ['counterfoil', 'lookup', 'frozen'],
  ['counterfoil', 'none', 'two-messages'],
  ['counterfoil', 'none', 'killed'],
  ['counterfoil/audit', 'none', 'killed'],
  ['counterfoil/outbox', 'lookup', 'response-lost'],
  ['counterfoil/inbox', 'keys', 'two-messages'],
  ['counterfoil/lease', 'keys', 'frozen'],
]

describe('the lab', () => {
  let results: readonly Result[] = []

  beforeAll(async () => {
    const cells = SAMPLE.map(([strategyName, gateway, faultName]) => {
      const strategy = STRATEGIES.find((each) => each.name === strategyName && each.gateway === gateway)
      const fault = FAULTS.find((each) => each.name === faultName)
      if (strategy === undefined || fault === undefined)
        throw new Error(`There is no ${strategyName} under ${faultName}.`)
      return { strategy, fault, orders: 12, seed: 7 }
    })
    const signal = new AbortController().signal
    const { runLab } = (await import(new URL('run.js', compiled).href)) as typeof import('./run.js')
    results = await runLab({ cells, redisUrl: 'redis://127.0.0.1:6379', lanes: 6, signal }, () => undefined)
  }, 180_000)

  it.each(SAMPLE)('shows what theory expects: %s (%s) under %s', (strategy, gateway, fault) => {
    const result = results.find(
      (each) => each.strategy === strategy && each.gateway === gateway && each.fault === fault,
    )
    expect(result, JSON.stringify(result)).toMatchObject({ asPredicted: true, observed: { crashes: 0 } })
  })

  it('strikes every order that it sets out to strike', () => {
    const twice = (fault: string) => results.find((each) => each.fault === fault)?.observed?.chargedTwice
    expect(twice('duplicate-delivery')).toBe(3)
    expect(twice('two-messages')).toBe(3)
    expect(twice('response-lost')).toBe(3)
  })
})

describe('the command', () => {
  async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    const [code] = await once(child, 'close')
    return { code, out, err }
  }

  it.each([
    { ci: '', ends: 0 },
    { ci: 'true', ends: 1 },
  ])(
    'says how to get a Redis where there is none, and ends with $ends where CI is "$ci"',
    async ({ ci, ends }) => {
      const { code, out } = await run(['--strategy', 'redis-lock,counterfoil/redis-lease', '--fault', 'none'], {
        REDIS_URL: 'redis://127.0.0.1:1',
        CI: ci,
      })
      expect(out).toContain('NOT RUN: redis-lock, counterfoil/redis-lease')
      expect(out).toContain('apt-get install redis-server')
      expect(out).toMatch(/- none/)
      expect(code).toBe(ends)
    },
    30_000,
  )

  it('ends at Ctrl-C, and leaves no process behind', async () => {
    const args = [program, '--strategy', 'naive', '--fault', 'none,frozen,killed', '--orders', '8']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const closed = once(child, 'close')
    await new Promise<void>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('[1/3]')) resolve()
      })
    })
    const descendants = await descendantsOf(child.pid)
    expect(descendants.length).toBeGreaterThan(3)
    child.kill('SIGINT')
    expect((await closed)[0]).toBe(130)
    await vi.waitUntil(() => !descendants.some(isAlive), { timeout: 20_000 })
  }, 60_000)

  it('ends with an error for what it does not know', async () => {
    const { code, err } = await run(['--strategy', 'hope'])
    expect(code).toBe(2)
    expect(err).toContain('There is no strategy "hope"')
  }, 30_000)
})

/** The processes that a process has started, and those that these have started. */
async function descendantsOf(pid: number | undefined): Promise<number[]> {
  const parents = await parentByPid()
  const found = new Set([pid])
  for (let before = 0; before < found.size; ) {
    before = found.size
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child)
  }
  found.delete(pid)
  return [...found].flatMap((each) => each ?? [])
}

async function parentByPid(): Promise<Map<number, number>> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
    // The name in brackets may hold anything; behind it stand the state and the parent.
    return new Map(lines.map((line) => [Number.parseInt(line, 10), Number(line.split(') ').at(-1)?.split(' ')[1])]))
  }
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid='])
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/ +/).map(Number) as [number, number]),
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
