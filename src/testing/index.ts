export * from './conformance.js'
export * from './gateway/index.js'
export * from './simulation/index.js'
export * from './verify/index.js'
