import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type { WireAnswer, WireRequest } from './observed.js'

/** Text of a body, unpacked as far as its `content-encoding` says how. */
export function bodyText(body: Buffer, encoding: string | undefined): string {
  try {
    if (encoding === 'gzip') return gunzipSync(body).toString('utf8')
    if (encoding === 'deflate') return inflateSync(body).toString('utf8')
    if (encoding === 'br') return brotliDecompressSync(body).toString('utf8')
  } catch {
    // Not what its header says: then it is looked at as it is.
  }
  return body.toString('utf8')
}

/** Whether the request carries `text` anywhere: in its address, a header or its body. */
export function carries({ path, headers, body }: WireRequest, text: string): boolean {
  return path.includes(text) || body.includes(text) || Object.values(headers).some((value) => includes(value, text))
}

function includes(value: string | string[] | undefined, text: string): boolean {
  return Array.isArray(value) ? value.some((each) => each.includes(text)) : (value ?? '').includes(text)
}

/** The header that services take an idempotency key from, if the request has one. */
export function keyHeaderOf({ headers }: WireRequest): { readonly name: string; readonly value: string } | null {
  const found = Object.entries(headers).find(([name]) => /idempot|request-id$/.test(name))
  return found === undefined ? null : { name: found[0], value: String(found[1]) }
}

/** Which parts of two requests differ, in words; those that no service looks at (connection, tracing) are left out. */
export function differences(one: WireRequest, other: WireRequest): string[] {
  const different: string[] = []
  if (one.method !== other.method || one.path !== other.path) different.push('the address')
  const key = keyHeaderOf(one)
  if (key !== null && other.headers[key.name] !== key.value) different.push(`the header ${key.name}`)
  if (one.body !== other.body) different.push(...fieldsThatDiffer(fieldsOf(one.body), fieldsOf(other.body)))
  return different
}

function fieldsThatDiffer(one: Map<string, string> | null, other: Map<string, string> | null): string[] {
  if (one === null || other === null) return ['the body']
  const names = new Set([...one.keys(), ...other.keys()])
  const fields = [...names].filter((name) => one.get(name) !== other.get(name)).map((name) => `the field ${name}`)
  // The same fields in another order, say.
  return fields.length === 0 ? [] : fields
}

function fieldsOf(body: string): Map<string, string> | null {
  const json = parseJson(body)
  if (isRecord(json)) return new Map(Object.entries(json).map(([name, value]) => [name, JSON.stringify(value)]))
  return /^[^\s={}]+=/.test(body) ? new Map(new URLSearchParams(body)) : null
}

/** What tells one operation of the service from another in its answer: its `id`, or else the whole of it. */
export function identityOf({ body }: WireAnswer): { readonly by: 'id' | 'body'; readonly value: string } {
  const json = parseJson(body)
  const id = isRecord(json) ? json.id : undefined
  return typeof id === 'string' || typeof id === 'number'
    ? { by: 'id', value: String(id) }
    : { by: 'body', value: body }
}

/** Whether the service says that it did what was asked. */
export function succeeded(answer: WireAnswer | null): answer is WireAnswer {
  return answer !== null && answer.status >= 200 && answer.status < 300
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
