/** The bench: Counterfoil beside its peers, in one run on one machine. See `npm run bench -- --help`. */
import { type BenchOptions, parseArguments } from './arguments.js'
import { Ground } from './ground.js'
import { runCells } from './run.js'

const parsed = parseArguments(process.argv.slice(2))
if (parsed.kind === 'say') {
  const out = parsed.exitCode === 0 ? process.stdout : process.stderr
  out.write(parsed.text)
  process.exitCode = parsed.exitCode
} else {
  process.exitCode = await main(parsed.options)
}

async function main(options: BenchOptions): Promise<number> {
  const profile = options.profileFolder
  const clientArguments = profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const ground = await Ground.open(options.systems, { postgresUrl: options.postgresUrl, clientArguments })
  try {
    const systems = options.systems.filter((system) => ground.lacks(system) === null)
    const rows = await runCells(ground, systems, options, ({ system, callers, gatewayMs }, sample) => {
      process.stderr.write(
        `${system.name} ${callers} ${gatewayMs} ms: ${sample.effectsPerSecond.toFixed(0)}/s p50 ${sample.p50Ms?.toFixed(2)} commits ${sample.commitsPerEffect.toFixed(3)} statements ${sample.statementsPerEffect?.toFixed(3)} wal ${sample.walBytesPerEffect.toFixed(0)} client ${sample.clientCpuMicros?.toFixed(0)} us db ${sample.databaseCpuMicros?.toFixed(0)} us rss ${sample.rssMiB?.toFixed(0)}\n`,
      )
    })
    console.table(rows)
    return 0
  } finally {
    await ground.close()
  }
}
