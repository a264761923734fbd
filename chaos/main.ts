/** Chaos: real processes under real faults. See `npm run chaos -- --help`. */
import { writeFile } from 'node:fs/promises'
import { runProgram } from '../programs/command-line.js'
import { type ChaosOptions, parseArguments } from './arguments.js'
import { hasRedisServer, NO_REDIS } from './redis.js'
import { toJson, toText } from './report.js'
import { runChaos } from './run.js'

await runProgram(parseArguments(process.argv.slice(2)), main)

async function main({ plan, json }: ChaosOptions): Promise<number> {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.abort())
  if (plan.lease === 'redis' && !hasRedisServer()) process.stderr.write(`${NO_REDIS}\n`)
  try {
    const result = await runChaos({ ...plan, signal: stopped.signal }, (line) => process.stderr.write(`${line}\n`))
    process.stdout.write(`${toText(result)}\n`)
    if (json !== null) await writeFile(json, toJson(result))
    return result.violations.length === 0 ? 0 : 1
  } catch (error) {
    if (error !== stopped.signal.reason) throw error
    process.stderr.write('Stopped.\n')
    return 130
  }
}
