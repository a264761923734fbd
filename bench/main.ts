/** The bench: Counterfoil beside its peers, in one run on one machine. See `npm run bench -- --help`. */
import { writeFile } from 'node:fs/promises'
import { runProgram } from '../programs/command-line.js'
import { type BenchOptions, parseArguments } from './arguments.js'
import { type Correctness, checkCorrectness } from './correctness.js'
import { Ground } from './ground.js'
import { loadNow, machineNow, versionsOf } from './machine.js'
import { describePromise, isKept, mayBeNoise, promisesOf } from './promises.js'
import { toSvg } from './report/svg.js'
import { toText } from './report/table.js'
import type { Results } from './results.js'
import { runCells } from './run.js'
import type { System } from './system.js'

/** A quick run is one short round, which whatever else the machine does may spoil. A real loss spoils each of them. */
const QUICK_RUNS = 3

/** Checking takes each system a quarter of a minute, and those longer that take over by themselves. */
const QUICKLY_CHECKED = ['batched', 'counterfoil']

await runProgram(parseArguments(process.argv.slice(2)), main)

async function main(options: BenchOptions): Promise<number> {
  const profile = options.profileFolder
  const clientArguments = profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const ground = await Ground.open(options.systems, { postgresUrl: options.postgresUrl, clientArguments })
  try {
    for (let run = 1; ; run++) {
      const results = await measure(ground, options)
      process.stdout.write(`${toText(results)}\n\n`)
      if (options.json !== null) await writeFile(options.json, `${JSON.stringify(results, null, 2)}\n`)
      if (options.svg !== null) await writeFile(options.svg, toSvg(results))
      const promises = promisesOf(results, options.isQuick)
      for (const promised of promises) process.stdout.write(`${describePromise(promised)}\n`)
      if (!options.isQuick || promises.every(isKept)) return 0
      if (run === QUICK_RUNS || !mayBeNoise(promises)) return 1
      say('A ratio is broken: measured again, since something else may have been at work.')
    }
  } finally {
    await ground.close()
  }
}

async function measure(ground: Ground, options: BenchOptions): Promise<Results> {
  const loadBefore = loadNow()
  const systems = options.systems.filter((system) => ground.lacks(system) === null)
  const checked = systems.filter(({ name }) => !options.isQuick || QUICKLY_CHECKED.includes(name))
  const correctness = options.correctness ? await checkAll(ground, checked) : []
  const rows = options.speed
    ? await runCells(ground, systems, options, ({ system, callers, gatewayMs }, sample, round) => {
        const speed = Math.round(sample.effectsPerSecond)
        say(`round ${round}: ${system.name}, ${callers} callers, ${gatewayMs} ms: ${speed} effects/s`)
      })
    : []
  return {
    measuredAt: new Date().toISOString(),
    machine: machineNow(loadBefore),
    versions: versionsOf(ground),
    settings: ground.postgres.settings,
    run: { rounds: options.rounds, seconds: options.seconds, seed: options.seed },
    systems: systems.map(({ name, title, promise, docs, isQueue }) => ({
      system: name,
      title,
      promise,
      docs,
      isQueue,
    })),
    leftOut: options.systems.flatMap((system) => {
      const why = ground.lacks(system)
      return why === null ? [] : [{ system: system.name, why }]
    }),
    rows,
    correctness,
  }
}

async function checkAll(ground: Ground, systems: readonly System[]): Promise<Correctness[]> {
  const checked: Correctness[] = []
  // The bare call has no key and no memory: there is nothing to check.
  for (const system of systems.filter(({ name, pgbench }) => name !== 'bare' && pgbench === undefined)) {
    const found = await checkCorrectness(ground, system)
    say(
      `${system.name}: ${found.callsFor1000Keys} calls for 1,000 keys, ${found.chargedTwiceAfterKill} charged twice after the kill`,
    )
    checked.push(found)
  }
  return checked
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
