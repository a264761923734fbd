import { Pool } from 'undici'

/** What the service answers to a charge. */
export interface Receipt {
  readonly id: string
  readonly key: string
}

/** The payment service, as every system calls it: one client, with kept-alive connections, for all. */
export class PaymentService {
  readonly #pool: Pool

  constructor(url: string, connections: number) {
    this.#pool = new Pool(url, {
      connections,
      pipelining: 1,
      keepAliveTimeout: 60_000,
      bodyTimeout: 0,
      headersTimeout: 0,
    })
  }

  /** Charges. It does so every time it is asked. */
  async charge(order: object, key: string, signal: AbortSignal | null = null): Promise<Receipt> {
    const { statusCode, body } = await this.#pool.request({
      method: 'POST',
      path: '/charges',
      headers: { 'content-type': 'application/json', 'x-key': key },
      body: JSON.stringify(order),
      signal,
    })
    const receipt = await body.json()
    if (statusCode !== 200) throw new Error(`The service answered ${statusCode}.`)
    return receipt as Receipt
  }

  /** The charge with this key, or null when there is none. */
  async find(key: string, signal: AbortSignal | null = null): Promise<Receipt | null> {
    const { statusCode, body } = await this.#pool.request({
      method: 'GET',
      path: `/charges/${encodeURIComponent(key)}`,
      signal,
    })
    const receipt = await body.json()
    if (statusCode === 404) return null
    if (statusCode !== 200) throw new Error(`The service answered ${statusCode}.`)
    return receipt as Receipt
  }

  close(): Promise<void> {
    return this.#pool.close()
  }
}
