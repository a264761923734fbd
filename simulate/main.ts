import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { DOUBTS, type Doubt, describeFailure, describeHistory, scenarioOf, simulate } from 'counterfoil/testing'
import { inThreads } from './pool.js'
import { type Parts, plan, Results } from './results.js'
import { onPostgres } from './sql.js'

interface Options {
  readonly seeds?: string
  readonly minutes?: string
  readonly seed?: string
  readonly from: string
  readonly doubt?: string
  readonly random?: true
  readonly exhaustive?: true
  readonly mutants?: true
  readonly sql?: true
  readonly sqlSeeds?: string
  readonly postgres?: string
  readonly threads: string
  readonly json?: string
}

const program = new Command('simulate')
  .description(
    'Plays histories of the production engine in a simulated world, under seeded faults, and checks them against what really happened there. Without --random, --exhaustive, --mutants or --sql it does all four.',
  )
  .option('--random', 'only histories by chance')
  .option('--exhaustive', 'only the small worlds, in every order of events and with every crash')
  .option('--mutants', 'only deliberate bugs, each of which has to be found')
  .option('--sql', 'only histories by chance that are done again on PostgreSQL, with the same outcome')
  .option('--sql-seeds <n>', 'how many of those (default 100)')
  .option('--postgres <url>', 'a server for them, on which databases may be made (default an embedded one)')
  .option('--seeds <n>', 'histories by chance (default 20000)')
  .option('--minutes <n>', 'histories by chance for so long')
  .option('--from <seed>', 'the first seed', '1')
  .option('--doubt <capability>', `only services that can do this: ${DOUBTS.join(', ')}`)
  .option('--seed <seed>', 'plays one history and tells it; a failing one is shrunk')
  .option('--threads <n>', 'threads', String(availableParallelism()))
  .option('--json <file>', 'writes the figures as JSON')
  .parse()

const options = program.opts<Options>()

function whole(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw program.error(`--${name} is ${JSON.stringify(text)}: give a whole number.`)
}

function capability(text: string | undefined): Doubt | null {
  if (text === undefined) return null
  const doubt = DOUBTS.find((each) => each === text)
  return doubt ?? program.error(`--doubt is ${JSON.stringify(text)}: give one of ${DOUBTS.join(', ')}.`)
}

async function replay(seed: number, doubt: Doubt | null): Promise<number> {
  const { violations } = await simulate({ firstSeed: seed, seeds: 1, ...(doubt === null ? {} : { doubt }) })
  const [failure] = violations
  const scenario = scenarioOf(seed, doubt ?? undefined)
  console.log(failure === undefined ? await describeHistory(scenario) : await describeFailure(failure))
  return failure === undefined ? 0 : 1
}

async function run(): Promise<number> {
  const chosen = [options.random, options.exhaustive, options.mutants, options.sql].includes(true)
  const parts: Parts = {
    random: options.random === true || !chosen,
    exhaustive: options.exhaustive === true || !chosen,
    mutants: options.mutants === true || !chosen,
    sqlSeeds:
      options.sql === true || options.sqlSeeds !== undefined || !chosen
        ? whole('sql-seeds', options.sqlSeeds ?? '100')
        : 0,
    firstSeed: whole('from', options.from),
    seeds: options.minutes === undefined ? whole('seeds', options.seeds ?? '20000') : Number.MAX_SAFE_INTEGER,
    untilMs: options.minutes === undefined ? null : Date.now() + Number(options.minutes) * 60_000,
    doubt: capability(options.doubt),
  }
  const results = new Results(parts.firstSeed)
  const beganAtMs = performance.now()
  await Promise.all([
    inThreads(whole('threads', options.threads), plan(parts), (done) => results.add(done)),
    alsoOnPostgres(parts, results),
  ])
  console.log(results.describe())
  console.log(`${Math.round((performance.now() - beganAtMs) / 1_000)} s on ${options.threads} threads`)
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(results.figures(), null, 2)}\n`)
  for (const failure of results.failures.slice(0, 3)) console.log(`\n${await describeFailure(failure)}`)
  return results.good ? 0 : 1
}

async function alsoOnPostgres({ firstSeed, sqlSeeds, doubt }: Parts, results: Results): Promise<void> {
  if (sqlSeeds === 0) return
  results.addSql(await onPostgres({ firstSeed, seeds: sqlSeeds, doubt, url: options.postgres ?? null }))
}

process.exitCode =
  options.seed === undefined ? await run() : await replay(whole('seed', options.seed), capability(options.doubt))
