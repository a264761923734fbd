import { hash } from 'node:crypto'
import type { JsonValue } from './json-value.js'

/**
 * Two inputs have the same fingerprint when they are the same JSON value, in whatever order their properties were
 * written: SHA-256 over canonical JSON (RFC 8785), 132 bits of it in 22 characters.
 */
export function fingerprint(value: JsonValue): string {
  return hash('sha256', canonical(value), 'base64url').slice(0, 22)
}

/**
 * Canonical JSON (RFC 8785) of a value that `toJson` has checked: finite numbers, well-formed text. JSON.stringify writes
 * literals as the standard asks for; what is left is the order of properties, by UTF-16 units, which is sort()'s own.
 */
function canonical(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = value as { readonly [name: string]: JsonValue }
  const names = Object.keys(members).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(members[name] ?? null)}`).join(',')}}`
}
