/** The endpoints of the laboratory: served only with the option `lab`. */
import type { Endpoint } from '../http/endpoint.ts'
import { labClockEndpoints } from './clock-endpoints.ts'
import { labFaultEndpoints } from './fault-endpoints.ts'

export const labEndpoints: readonly Endpoint[] = [...labClockEndpoints, ...labFaultEndpoints]
