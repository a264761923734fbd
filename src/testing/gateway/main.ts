/**
 * The gateway as a process of its own. It prints one line of JSON when it is ready,
 * `{"url","host","port","controlUrl","pid"}`, and ends on SIGTERM, on SIGINT, or (with `--exit-with-stdin`) when its
 * standard input closes, so that it never outlives a parent that was killed.
 */
import { parseArgs } from 'node:util'
import type { GatewayLevel } from './account.js'
import { startControlServer } from './control-server.js'
import type { FaultRule } from './faults.js'
import { type GatewayOptions, startGateway } from './gateway.js'

const USAGE = `node main.js [--port N] [--control-port N] [--host H] [--level keys|lookup|none] [--seed N]
  [--latency-ms N] [--search-lag-ms N] [--key-window-ms N] [--business-key-field NAME] [--faults JSON] [--exit-with-stdin]`

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    'control-port': { type: 'string' },
    host: { type: 'string' },
    level: { type: 'string' },
    seed: { type: 'string' },
    'latency-ms': { type: 'string' },
    'search-lag-ms': { type: 'string' },
    'key-window-ms': { type: 'string' },
    'business-key-field': { type: 'string' },
    faults: { type: 'string' },
    'exit-with-stdin': { type: 'boolean' },
  },
})

const gateway = await startGateway(optionsOf())
const control = await startControlServer(gateway, count('control-port') ?? 0)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
if (values['exit-with-stdin'] === true) process.stdin.on('end', end).on('error', end).resume()

const { url, host, port } = gateway
process.stdout.write(`${JSON.stringify({ url, host, port, controlUrl: control.url, pid: process.pid })}\n`)

function end(): void {
  void Promise.all([gateway.close(), control.close()]).then(() => process.exit(0))
}

function optionsOf(): GatewayOptions {
  const given = {
    port: count('port'),
    host: values.host,
    level: level(),
    seed: count('seed'),
    latencyMs: count('latency-ms'),
    searchLagMs: count('search-lag-ms'),
    keyWindowMs: count('key-window-ms'),
    businessKeyField: values['business-key-field'],
    faults: values.faults === undefined ? undefined : (JSON.parse(values.faults) as FaultRule[]),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function count(name: 'control-port' | 'key-window-ms' | 'latency-ms' | 'port' | 'search-lag-ms' | 'seed') {
  const text = values[name]
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) return Number(text)
  throw new TypeError(`--${name} is ${text}; it must be a whole number.\n${USAGE}`)
}

function level(): GatewayLevel | undefined {
  const text = values.level
  if (text === undefined || text === 'keys' || text === 'lookup' || text === 'none') return text
  throw new TypeError(`--level is ${text}; it must be keys, lookup or none.\n${USAGE}`)
}
