export type { Hooks } from './context.js'
export { Counterfoil, type CounterfoilOptions, type PerformOptions } from './counterfoil.js'
export {
  defineEffect,
  type Effect,
  type EffectDefinition,
  type RetryDelay,
  type RuntimeEffect,
  type SettledOutcome,
} from './effect.js'
