import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from './terminal.js'

/** Imports one file with a TypeScript loader; null where the loader is not to be had from that file. */
type TypeScriptLoader = (file: string) => Promise<{ readonly module: unknown } | null>

const LOADERS: readonly TypeScriptLoader[] = [byTsx, byJiti, byNode]

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts'])

/**
 * Imports a user's module. JavaScript always works; TypeScript needs tsx or jiti in the user's project, or a Node that
 * strips types by itself.
 *
 * @throws {UsageError} there is no such file, nothing can load it, or it throws when it is loaded.
 */
export async function loadModule(path: string, cwd: string): Promise<unknown> {
  const file = resolve(cwd, path)
  if (!existsSync(file)) throw new UsageError(`There is no file ${file}.`)
  try {
    if (!TYPESCRIPT.has(extname(file))) return await importFile(file)
    for (const load of LOADERS) {
      const loaded = await load(file)
      if (loaded !== null) return loaded.module
    }
  } catch (cause) {
    throw new UsageError(`${file} could not be loaded.`, { cause })
  }
  throw new UsageError(
    `${file} is TypeScript, and nothing here can load that. Install tsx (npm install --save-dev tsx) or jiti, ` +
      'use Node 22.18 or later, or pass a JavaScript file.',
  )
}

/** The default export, also where a loader wrapped a CommonJS module once more. */
export function defaultExport(module: unknown): unknown {
  const exported = isObject(module) ? module.default : undefined
  return isObject(exported) && '__esModule' in exported ? exported.default : exported
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

async function byTsx(file: string): Promise<{ readonly module: unknown } | null> {
  const api = await importFrom(file, 'tsx', './esm/api')
  if (api === null || typeof api.register !== 'function') return null
  api.register()
  return { module: await importFile(file) }
}

async function byJiti(file: string): Promise<{ readonly module: unknown } | null> {
  const api = await importFrom(file, 'jiti', '.')
  if (api === null || typeof api.createJiti !== 'function') return null
  const jiti: unknown = api.createJiti(pathToFileURL(file).href, { fsCache: false })
  return { module: await (jiti as { import(file: string): Promise<unknown> }).import(file) }
}

async function byNode(file: string): Promise<{ readonly module: unknown } | null> {
  return Reflect.get(process.features, 'typescript') ? { module: await importFile(file) } : null
}

/**
 * A module of a package as the user's own file would import it, which need not be where this one is installed; null where
 * it is not to be had. (`require.resolve` would give the module for `require`, and `import.meta.resolve` takes no parent.)
 */
async function importFrom(
  file: string,
  name: string,
  subpath: string,
): Promise<Readonly<Record<string, unknown>> | null> {
  const require = createRequire(file)
  let manifest: string
  try {
    manifest = require.resolve(`${name}/package.json`)
  } catch {
    return null
  }
  const { exports } = require(manifest) as { readonly exports?: Readonly<Record<string, ExportTarget>> }
  const target = importTarget(exports?.[subpath])
  if (target === null) return null
  return (await import(new URL(target, pathToFileURL(manifest)).href)) as Readonly<Record<string, unknown>>
}

/** Where an export of a package leads: https://nodejs.org/api/packages.html#conditional-exports */
type ExportTarget = string | null | { readonly [condition: string]: ExportTarget }

const CONDITIONS = new Set(['node', 'import', 'default'])

function importTarget(target: ExportTarget | undefined): string | null {
  if (typeof target === 'string') return target
  const branches = Object.entries(target ?? {}).filter(([condition]) => CONDITIONS.has(condition))
  for (const [, branch] of branches) {
    const found = importTarget(branch)
    if (found !== null) return found
  }
  return null
}

function importFile(file: string): Promise<unknown> {
  return import(pathToFileURL(file).href)
}
