import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { GatewayControl } from './control.js'
import type { FaultRule } from './faults.js'
import type { GatewayOptions } from './gateway.js'

/** How a gateway process starts: the options of a gateway, as far as they can cross a process boundary. */
export interface GatewayProcessOptions extends Omit<GatewayOptions, 'clock' | 'faults'> {
  readonly faults?: readonly FaultRule[]
  /** Arguments for Node itself, before the program. Default: those of this process (so a loader is passed on). */
  readonly nodeArguments?: readonly string[]
}

/** A gateway in a process of its own: it survives the SIGKILL of its clients, and dies with the process that made it. */
export interface GatewayProcess {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly controlUrl: string
  readonly pid: number
  readonly control: GatewayControl
  /** Ends the process and waits until it is gone. */
  stop(): Promise<void>
}

/**
 * Starts a gateway as a process of its own and waits until it accepts connections.
 *
 * @throws {Error} if it ends before it is ready; its own message is on standard error.
 */
export async function startGatewayProcess(options: GatewayProcessOptions = {}): Promise<GatewayProcess> {
  const { nodeArguments = process.execArgv, ...rest } = options
  const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url))
  const child = spawn(process.execPath, [...nodeArguments, program, '--exit-with-stdin', ...argumentsOf(rest)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ready = await firstLine(child)
  return {
    ...ready,
    control: new GatewayControl(ready.controlUrl),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}

type Ready = Pick<GatewayProcess, 'controlUrl' | 'host' | 'pid' | 'port' | 'url'>

function firstLine(child: ChildProcess): Promise<Ready> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      reject(new Error(`The gateway process ended before it was ready (${signal ?? `exit code ${code}`}).`))
    })
    if (child.stdout === null) return reject(new Error('The gateway process has no standard output.'))
    createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line) as Ready))
  })
}

/** `keyWindowMs: 5` becomes `--key-window-ms 5`. */
function argumentsOf(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]: [string, unknown]) => {
    if (value === undefined) return []
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    return [flag, typeof value === 'object' ? JSON.stringify(value) : String(value)]
  })
}
