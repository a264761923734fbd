import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/embedded/index.js'
import { findService, type ServiceName, serviceNames } from './services.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The PostgreSQL of this test run: COUNTERFOIL_TEST_PG, else an embedded one. */
    readonly postgresUrl: string
    /** Which version of PostgreSQL that is, for example `18`. */
    readonly postgresMajor: string
    /** The services that answered when the run began, by their URL. */
    readonly services: Partial<Record<ServiceName, string>>
  }
}

/** One PostgreSQL for the whole test run, and a look at which other servers this machine has. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.COUNTERFOIL_TEST_PG
  const embedded = given ? undefined : await startEmbeddedPostgres({ settings: { max_connections: '200' } })
  const url = embedded?.connectionString ?? given ?? ''
  project.provide('postgresUrl', url)
  project.provide('postgresMajor', await majorVersion(url))
  const services: Partial<Record<ServiceName, string>> = {}
  await Promise.all(
    serviceNames.map(async (name) => {
      const found = await findService(name)
      if (found !== undefined) services[name] = found
    }),
  )
  project.provide('services', services)
  return async () => embedded?.stop()
}

async function majorVersion(url: string): Promise<string> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
    return rows[0]?.server_version.split('.')[0] ?? 'unknown'
  } finally {
    await client.end()
  }
}
