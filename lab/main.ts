/** The lab: every strategy under every fault. See `npm run demo -- --help`. */
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { runProgram } from '../programs/command-line.js'
import { type LabOptions, parseArguments } from './arguments.js'
import { isDeclined, makeOrders } from './orders.js'
import { NO_REDIS } from './redis.js'
import { toJson } from './report/json.js'
import { Progress } from './report/progress.js'
import { toSvg } from './report/svg.js'
import { toSummary, toTable } from './report/table.js'
import { brokenPromises, type Result } from './result.js'
import { runLab } from './run.js'
import { findStrategy } from './strategies/index.js'

/** Cells mostly wait: for time-outs, leases, outages. */
const LANES_PER_CORE = 4
const MOST_LANES = 8

await runProgram(parseArguments(process.argv.slice(2)), main)

async function main(options: LabOptions): Promise<number> {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.abort())
  const progress = new Progress(process.stderr)
  progress.say('Starting PostgreSQL …')
  const startedMs = performance.now()
  try {
    const results = await runLab(
      {
        cells: options.strategies.flatMap((strategy) =>
          options.faults.map((fault) => ({ strategy, fault, orders: options.orders, seed: options.seed })),
        ),
        redisUrl: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379',
        lanes: Math.min(LANES_PER_CORE * availableParallelism(), MOST_LANES),
        signal: stopped.signal,
      },
      (result, done, all) => progress.note(result, done, all),
    )
    progress.end()
    await report(results, options, performance.now() - startedMs)
    return brokenPromises(results).length > 0 || isIncomplete(results) ? 1 : 0
  } catch (error) {
    progress.end()
    if (!stopped.signal.aborted) throw error
    process.stderr.write('Stopped.\n')
    // What was in the middle of a cell would still want to end it.
    process.exit(130)
  }
}

/** Where all must be run, as in CI, leaving something out is a failure. */
function isIncomplete(results: readonly Result[]): boolean {
  if (process.env.CI !== 'true' || results.every(({ verdict }) => verdict !== 'not-run')) return false
  process.stderr.write('With CI=true nothing may be left out.\n')
  return true
}

async function report(results: readonly Result[], options: LabOptions, tookMs: number): Promise<void> {
  const idea = ({ strategy, gateway }: Result): string => findStrategy(strategy, gateway).idea
  process.stdout.write(`${toTable(results, idea)}\n\n${toSummary(results)}\n`)
  const notRun = [...new Set(results.filter(({ verdict }) => verdict === 'not-run').map(({ strategy }) => strategy))]
  if (notRun.length > 0) process.stdout.write(`NOT RUN: ${notRun.join(', ')}. ${NO_REDIS}\n`)
  const declined = makeOrders(options.orders, options.seed).filter(isDeclined).length
  process.stdout.write(
    `Seed ${options.seed}; ${options.orders} orders a cell (${declined} with a card that is declined), five times as many ` +
      `where nothing goes wrong; ${Math.round(tookMs / 1_000)} s.\n`,
  )
  if (options.json !== null) await writeFile(options.json, toJson(results))
  if (options.svg !== null) await writeFile(options.svg, toSvg(results))
  for (const { strategy, gateway, fault } of brokenPromises(results)) {
    process.stderr.write(`${strategy} broke its promise: gateway ${gateway}, ${fault}.\n`)
  }
}
