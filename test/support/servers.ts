import { inject } from 'vitest'
import { missing, type ServiceName } from './services.js'

export interface PostgresServer {
  /** For test titles, for example `PostgreSQL 18`. */
  readonly name: string
  /** Its maintenance database; hand it to `testDatabase`. */
  readonly url: string
}

/**
 * The PostgreSQL servers that a suite should run on: the one of the test run, and the system's where there is one.
 *
 *     describe.each(postgresServers())('the journal on $name', ({ url }) => { … testDatabase(url) … })
 */
export function postgresServers(): PostgresServer[] {
  const servers = [{ name: `PostgreSQL ${inject('postgresMajor')}`, url: inject('postgresUrl') }]
  const system = service('system PostgreSQL')
  if (system !== undefined) servers.push({ name: "the system's PostgreSQL", url: system })
  return servers
}

/** The Redis to test with, or undefined (said loudly; with CI=true an error). */
export function redisUrl(): string | undefined {
  return service('Redis')
}

/** The RabbitMQ to test with, or undefined (said loudly; with CI=true an error). */
export function rabbitmqUrl(): string | undefined {
  return service('RabbitMQ')
}

/** The NATS to test with, or undefined (said loudly; with CI=true an error). */
export function natsUrl(): string | undefined {
  return service('NATS')
}

function service(name: ServiceName): string | undefined {
  const url = inject('services')[name]
  if (url !== undefined) return url
  if (process.env.CI === 'true') throw new Error(`${missing(name)}, and with CI=true nothing may be skipped.`)
  console.warn(`NOT TESTED HERE: what needs ${name}. ${missing(name)}.`)
  return undefined
}
