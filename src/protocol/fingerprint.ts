import { hash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { JsonValue } from './json-value.js'

/**
 * Two inputs have the same fingerprint when they are the same JSON value, in whatever order their properties were
 * written: SHA-256 over canonical JSON (RFC 8785), 132 bits of it in 22 characters.
 */
export function fingerprint(value: JsonValue): string {
  return hash('sha256', canonicalize(value) ?? 'null', 'base64url').slice(0, 22)
}
