/**
 * A process with an embedded PostgreSQL, for tests to kill. Its argument is JSON: `options` for the launcher and
 * `writers`, how many connections insert numbers as fast as they are acknowledged. It says `ready <pid> <url> <dataDir>`
 * or `refused <code>`, and `ack <number>` only after that number's commit came back.
 */
import { writeSync } from 'node:fs'
import { Client } from 'pg'
import { EmbeddedPostgresError, startEmbeddedPostgres } from './index.js'

const { options, writers } = JSON.parse(process.argv[2] ?? '{}')
const say = (line: string): void => {
  // Synchronous: what was said is in the pipe when the SIGKILL comes.
  writeSync(1, `${line}\n`)
}

async function write(connectionString: string, writer: number): Promise<void> {
  const client = new Client({ connectionString })
  client.on('error', () => undefined)
  await client.connect()
  for (let n = writer; ; n += 1000) {
    await client.query('INSERT INTO numbers VALUES ($1)', [n])
    say(`ack ${n}`)
  }
}

// Ctrl-C is the application's to answer, and this one goes on.
process.on('SIGINT', () => undefined)
process.stdin.once('end', () => process.exit(0)).resume()

try {
  const server = await startEmbeddedPostgres(options)
  if (writers) {
    const client = new Client({ connectionString: server.connectionString })
    await client.connect()
    await client.query('CREATE TABLE IF NOT EXISTS numbers (n int PRIMARY KEY)')
    await client.end()
  }
  say(`ready ${server.pid} ${server.connectionString} ${server.dataDir}`)
  for (let writer = 1; writer <= (writers ?? 0); writer++) void write(server.connectionString, writer)
} catch (error) {
  if (!(error instanceof EmbeddedPostgresError)) throw error
  say(`refused ${error.code}`)
  process.exit(0)
}
