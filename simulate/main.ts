/** Simulation: the production engine in a world that one number decides. See `npm run simulate -- --help`. */
import { writeFile } from 'node:fs/promises'
import {
  type Difference,
  type Doubt,
  describeDifference,
  describeFailure,
  describeHistory,
  scenarioOf,
  simulate,
} from 'counterfoil/testing'
import { runProgram } from '../programs/command-line.js'
import { parseArguments, type SimulateOptions } from './arguments.js'
import { inThreads } from './pool.js'
import { type Parts, plan, Results } from './results.js'
import { onPostgres } from './sql.js'

await runProgram(parseArguments(process.argv.slice(2)), main)

async function main(options: SimulateOptions): Promise<number> {
  return options.seed === null ? run(options) : replay(options.seed, options.parts.doubt)
}

async function replay(seed: number, doubt: Doubt | null): Promise<number> {
  const { violations } = await simulate({ firstSeed: seed, seeds: 1, ...(doubt === null ? {} : { doubt }) })
  const [failure] = violations
  const scenario = scenarioOf(seed, doubt ?? undefined)
  console.log(failure === undefined ? await describeHistory(scenario) : await describeFailure(failure))
  return failure === undefined ? 0 : 1
}

async function run({ parts, threads, json, postgresUrl }: SimulateOptions): Promise<number> {
  const results = new Results(parts)
  const beganAtMs = performance.now()
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopped.abort())
  console.error(`On ${threads} threads. Ctrl-C ends it with what it has seen so far.`)
  await Promise.all([
    // At once: a run of hours is not over when its failure is there to be looked at.
    inThreads(threads, plan(parts, stopped.signal), { stopped: stopped.signal }, (done) => {
      for (const line of results.add(done)) console.error(line)
    }),
    alsoOnPostgres(parts, { postgresUrl, stopped: stopped.signal }, results),
  ])
  console.log(results.describe())
  const seconds = Math.round((performance.now() - beganAtMs) / 1_000)
  console.log(`${seconds} s on ${threads} threads${stopped.signal.aborted ? '; STOPPED before its end' : ''}`)
  if (json !== null) await writeFile(json, `${JSON.stringify(results.figures(), null, 2)}\n`)
  for (const failure of results.failures.slice(0, 3)) console.log(`\n${await describeFailure(failure)}`)
  if (stopped.signal.aborted && results.broken === 0) return 130
  return results.good ? 0 : 1
}

async function alsoOnPostgres(
  { firstSeed, sqlSeeds, doubt }: Parts,
  { postgresUrl, stopped }: { readonly postgresUrl: string | null; readonly stopped: AbortSignal },
  results: Results,
): Promise<void> {
  if (sqlSeeds === 0) return
  const told = (difference: Difference): void => console.error(`DIFFERS: ${describeDifference(difference)}`)
  results.addSql(await onPostgres({ firstSeed, seeds: sqlSeeds, doubt, url: postgresUrl, told, stopped }))
}
