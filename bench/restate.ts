import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../programs/free-port.js'

/** Where a client finds the Restate server, and where the server finds the client's worker. */
export interface RestatePlace {
  readonly ingressUrl: string
  readonly adminUrl: string
  /** The worker's address stays, so that a new one is found in the place of one that was killed. */
  readonly workerPort: number
}

export interface RestateServer extends RestatePlace {
  stop(): Promise<void>
}

const START_MS = 30_000

/** The server's program, from npm; null where there is none for this machine. */
export function restateProgram(): string | null {
  try {
    const platform = `${process.platform}-${process.arch}`
    return createRequire(import.meta.url).resolve(
      `@restatedev/restate-server-${platform}/bin/restate-server${process.platform === 'win32' ? '.exe' : ''}`,
    )
  } catch {
    return null
  }
}

/** A Restate server of our own on an empty folder. It writes to its log before it answers, and syncs that by default. */
export async function startRestate(program: string): Promise<RestateServer> {
  const folder = await mkdtemp(join(tmpdir(), 'counterfoil-bench-restate-'))
  const [ingress, admin, node, workerPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const child = spawn(program, ['--base-dir', folder, '--node-name', 'bench', '--listen-mode', 'tcp'], {
    stdio: 'ignore',
    env: {
      ...process.env,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    },
  })
  const stop = (): Promise<void> => endOf(child, folder)
  const [ingressUrl, adminUrl] = [`http://127.0.0.1:${ingress}`, `http://127.0.0.1:${admin}`]
  try {
    await healthy(child, [`${ingressUrl}/restate/health`, `${adminUrl}/health`])
  } catch (error) {
    await stop()
    throw error
  }
  return { ingressUrl, adminUrl, workerPort, stop }
}

async function healthy(child: ChildProcess, urls: readonly string[]): Promise<void> {
  const endMs = performance.now() + START_MS
  for (;;) {
    const answers = await Promise.all(
      urls.map((url) =>
        fetch(url).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    )
    if (answers.every(Boolean)) return
    if (child.exitCode !== null || performance.now() > endMs) throw new Error('The Restate server did not start.')
    await sleep(50)
  }
}

async function endOf(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  await rm(folder, { recursive: true, force: true })
}
