import { connect } from 'node:net'
import { Client } from 'pg'

interface Service {
  /** The environment variable that says where it is. */
  readonly variable: string
  readonly defaultUrl: string
  /** What a newcomer may do to have it. */
  readonly install: string
  /** Resolves when the service itself answers there: an open port alone may be anything. */
  readonly greet: (url: URL) => Promise<void>
}

const services = {
  'system PostgreSQL': {
    variable: 'COUNTERFOIL_TEST_SYSTEM_PG',
    defaultUrl: 'postgresql://postgres@127.0.0.1:5432/postgres',
    install: 'apt-get install postgresql, with trust for 127.0.0.1',
    greet: greetPostgres,
  },
  Redis: {
    variable: 'COUNTERFOIL_TEST_REDIS',
    defaultUrl: 'redis://127.0.0.1:6379',
    install: 'apt-get install redis-server',
    greet: (url) => greetTcp(url, 'PING\r\n', '+PONG'),
  },
  RabbitMQ: {
    variable: 'COUNTERFOIL_TEST_RABBITMQ',
    defaultUrl: 'amqp://guest:guest@127.0.0.1:5672',
    install: 'apt-get install rabbitmq-server',
    greet: (url) => greetTcp(url, 'AMQP\x00\x00\x09\x01', '\x01\x00\x00'),
  },
  NATS: {
    variable: 'COUNTERFOIL_TEST_NATS',
    defaultUrl: 'nats://127.0.0.1:4222',
    install: 'apt-get install nats-server, started with -js',
    greet: (url) => greetTcp(url, '', 'INFO '),
  },
} satisfies Record<string, Service>

export type ServiceName = keyof typeof services
export const serviceNames = Object.keys(services).filter((name): name is ServiceName => name in services)

/** The URL of a service that answers now; undefined where none does. */
export async function findService(name: ServiceName): Promise<string | undefined> {
  const service: Service = services[name]
  const url = process.env[service.variable] || service.defaultUrl
  try {
    await service.greet(new URL(url))
    return url
  } catch {
    return undefined
  }
}

/** What to say where a service is missing. */
export function missing(name: ServiceName): string {
  const { variable, defaultUrl, install }: Service = services[name]
  return `${name} does not answer at ${process.env[variable] || defaultUrl} (${install}, or set ${variable})`
}

async function greetPostgres(url: URL): Promise<void> {
  const client = new Client({ connectionString: url.href, connectionTimeoutMillis: 2000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
  } finally {
    await client.end()
  }
}

function greetTcp(url: URL, hello: string, answer: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port), timeout: 2000 })
    const fail = (): void => {
      socket.destroy()
      reject(new Error(`no ${JSON.stringify(answer)} from ${url.host}`))
    }
    socket.setEncoding('latin1')
    socket.on('connect', () => socket.write(hello))
    socket.on('timeout', fail)
    socket.on('error', fail)
    socket.on('close', fail)
    socket.once('data', (data) => {
      if (!String(data).startsWith(answer)) return fail()
      resolve()
      socket.destroy()
    })
  })
}
