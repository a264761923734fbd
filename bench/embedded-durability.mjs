/**
 * How many acknowledged rows does the embedded PostgreSQL lose when it is killed? Prints one line a round and the sum;
 * exits 1 when a row is missing.
 *
 *     npm run build && node bench/embedded-durability.mjs [--rounds 20] [--writers 8]
 *
 * Each round, connections insert numbers as fast as their commits come back, and at a random moment either the whole
 * server is SIGKILLed (all its processes at once) or the process that owns it is. Then the server is started again on
 * the same folder and every acknowledged number is looked for.
 */
import { fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from 'counterfoil/embedded'
import { Client } from 'pg'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    writers: { type: 'string', default: '8' },
    'owner-of': { type: 'string' },
    from: { type: 'string', default: '0' },
  },
})
const writers = Number(values.writers)

if (values['owner-of'] === undefined) await measure(Number(values.rounds))
else await own(values['owner-of'], Number(values.from))

/** The owner process: starts the server on `dataDir`, writes numbers, says each one that was acknowledged. */
async function own(dataDir, from) {
  const server = await startEmbeddedPostgres({ dataDir })
  await withClient(server, (client) => client.query('CREATE TABLE IF NOT EXISTS numbers (n bigint PRIMARY KEY)'))
  let next = from
  const write = async () => {
    const client = new Client({ connectionString: server.connectionString })
    client.on('error', () => undefined)
    await client.connect()
    for (;;) {
      const n = next++
      await client.query({ name: 'write', text: 'INSERT INTO numbers VALUES ($1)', values: [n] })
      // Synchronous: what was acknowledged is in the pipe when the SIGKILL comes.
      writeSync(1, `${n}\n`)
    }
  }
  process.on('message', () => server.kill().then(() => process.exit(0)))
  // A writer ends by the kill.
  for (let writer = 0; writer < writers; writer++) write().catch(() => undefined)
  process.send('writing')
}

async function measure(rounds) {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-durability-'))
  await chmod(folder, 0o755)
  const dataDir = join(folder, 'data')
  const acknowledged = []
  let lost = 0
  for (let round = 1; round <= rounds; round++) {
    const victim = round % 2 === 1 ? 'server' : 'owner'
    const before = acknowledged.length
    await killOne(dataDir, victim, acknowledged, round * 10_000_000)
    const startedMs = performance.now()
    const server = await startEmbeddedPostgres({ dataDir })
    const backMs = Math.round(performance.now() - startedMs)
    const rows = await withClient(server, (client) => client.query('SELECT n FROM numbers'))
    const found = new Set(rows.rows.map((row) => Number(row.n)))
    lost = acknowledged.filter((n) => !found.has(n)).length
    await server.stop()
    const said = acknowledged.length - before
    console.log(
      `round ${round}: SIGKILL of the ${victim}, ${said} rows acknowledged, back in ${backMs} ms, ${lost} lost`,
    )
    if (lost > 0) break
  }
  await rm(folder, { recursive: true, force: true })
  console.log(`${acknowledged.length} acknowledged rows over ${rounds} kills, ${lost} lost`)
  process.exitCode = lost > 0 ? 1 : 0
}

async function killOne(dataDir, victim, acknowledged, from) {
  const self = fileURLToPath(import.meta.url)
  const args = ['--owner-of', dataDir, '--from', String(from), '--writers', String(writers)]
  const owner = fork(self, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  createInterface({ input: owner.stdout }).on('line', (line) => acknowledged.push(Number(line)))
  const closed = once(owner, 'close')
  await Promise.race([once(owner, 'message'), closed.then(() => Promise.reject(new Error('the owner did not start')))])
  await sleep(randomInt(50, 500))
  if (victim === 'owner') owner.kill('SIGKILL')
  else owner.send('kill the server')
  await closed
}

async function withClient(server, use) {
  const client = new Client({ connectionString: server.connectionString })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
