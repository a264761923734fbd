import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isRunning } from '../../src/embedded/owner.js'

export interface Starter {
  readonly child: ChildProcess
  /** What it said first: `ready …` or `refused <code>`, in words. */
  readonly words: readonly string[]
  /** The numbers whose commits were acknowledged so far. */
  readonly acknowledged: readonly number[]
  /** Resolves when at least this many are. */
  acknowledges(count: number): Promise<void>
  /** SIGKILLs it, and waits until everything that it said has been read. */
  kill(): Promise<void>
  /** Ends its input, at which it exits without stopping its server. */
  leave(): Promise<void>
}

interface StarterPlan {
  readonly options?: { readonly dataDir?: string; readonly cacheDir?: string; readonly port?: number }
  readonly writers?: number
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly environment?: Readonly<Record<string, string>>
  readonly umask?: string
}

/** Runs `starter.fixture.ts` in a process of its own and waits for its first word. */
export async function startStarter(plan: StarterPlan = {}): Promise<Starter> {
  const fixture = fileURLToPath(new URL('../../src/embedded/starter.fixture.ts', import.meta.url))
  const input = JSON.stringify({ options: plan.options ?? {}, writers: plan.writers ?? 0 })
  const command = [process.execPath, '--import', 'tsx', fixture, input]
  const masked = ['sh', '-c', `umask ${plan.umask ?? '022'}; exec "$@"`, 'sh', ...command]
  const child = spawn(masked[0] ?? '', masked.slice(1), {
    ...plan.user,
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, ...plan.environment },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text
  })
  const acknowledged: number[] = []
  let wake: () => void = () => undefined
  const first = new Promise<string>((resolve, reject) => {
    child.once('close', () => reject(new Error(`the starter ended without a word: ${complaints}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('ack ')) acknowledged.push(Number(line.slice(4)))
      else resolve(line)
      wake()
    })
  })
  const words = (await first).split(' ')
  const closed = child.exitCode === null ? once(child, 'close') : Promise.resolve()
  return {
    child,
    words,
    acknowledged,
    acknowledges: async (count) => {
      while (acknowledged.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await closed
    },
    leave: async () => {
      child.stdin.end()
      await closed
    },
  }
}

/** Waits until a process that is no child of ours has ended; false when it still runs after ten seconds. */
export async function ends(pid: number): Promise<boolean> {
  const deadline = performance.now() + 10_000
  while (isRunning(pid)) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return true
}
