/** A value that JSON carries without loss, and that PostgreSQL's jsonb gives back equal. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue }
