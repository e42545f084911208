import { device } from './devices.js'
import { stepsOf } from './user-steps.js'

export const phone = await device('alice', 1)
export const tablet = await device('alice', 2)
export const laptop = await device('alice', 3)
export const withoutKem = await device('alice', 4, { kem: false })
export const backup = await device('alice', 5, { purpose: 'recovery' })
export const more = await Promise.all(Array.from({ length: 16 }, (_, at) => device('alice', 10 + at)))
/** A device of somebody else. */
export const bobs = await device('bob', 1)

export const { add, rekey, reset, revoke } = stepsOf('alice')
