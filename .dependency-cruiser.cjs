/**
 * The house rule of docs/architecture.md: imports point downward only, and there is no cycle.
 * A layer may import itself and the layers named here, nothing else of ours.
 */
const layers = {
  protocol: [],
  system: ['protocol'],
  journal: ['protocol', 'system', 'lease'],
  lease: ['protocol', 'system'],
  inbox: ['protocol', 'system'],
  engine: ['protocol', 'system', 'inbox'],
  outbox: ['protocol', 'system', 'engine'],
  reconcile: ['protocol', 'system', 'engine'],
  providers: ['protocol', 'system'],
  embedded: ['protocol', 'system', 'journal'],
  integrations: ['protocol', 'system', 'journal', 'engine', 'inbox', 'outbox', 'providers'],
  operations: ['protocol', 'system', 'engine', 'inbox', 'outbox', 'reconcile'],
  testing: ['protocol', 'system', 'journal', 'lease', 'engine', 'reconcile', 'embedded'],
  cli: ['protocol', 'system', 'operations', 'journal', 'engine', 'reconcile', 'testing', 'embedded'],
}

const layerRules = Object.entries(layers).map(([layer, allowed]) => ({
  name: `${layer}-imports-downward-only`,
  severity: 'error',
  from: { path: `^src/${layer}/`, pathNot: '\\.(test|fixture|typetest)\\.ts$' },
  to: { path: '^src/', pathNot: `^src/(${[layer, ...allowed].join('|')})/` },
}))

module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'product-code-never-imports-tests',
      severity: 'error',
      from: { path: '^(src|programs|lab|bench|chaos|simulate|examples)/', pathNot: '\\.(test|fixture|typetest)\\.ts$' },
      to: { path: '\\.(test|fixture|typetest)\\.ts$' },
    },
    {
      name: 'programs-and-examples-use-only-what-a-user-can-import',
      severity: 'error',
      from: { path: '^(programs|lab|bench|chaos|simulate|examples)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^counterfoil' } },
    ...layerRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    exclude: { path: '^(dist|build|examples/outbox/prisma/generated)/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node'] },
  },
}
