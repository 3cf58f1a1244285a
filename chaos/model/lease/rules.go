package lease

// Env is what the world may do.
type Env struct {
	Faults int8 // agents that die or freeze
	Outage bool // the hosts know failsafe, and use it
	Added  bool // the operator adds C to the cluster file at some moment
	Sick   bool // the writer gives up by itself at some moment
	Pauses bool // an agent may be stopped between reading the clock and writing a lifetime
	Twins  bool // B and C are alike: look at one of two mirrored states only
}

// Rules are the choices of the protocol.
type Rules struct {
	FromSent   bool // R1: the deadline counts from before the request left
	Margin     bool // R2: and ends a margin before the lease does
	NotPutBack bool // R3: a key that is gone with its lease is not put back
	ReadLast   bool // R4: the clock is read after a lifetime is written, and what is past is deleted
	AskFirst   bool // R5: an agent resumes a reign when etcd has confirmed it
	KernelEnds bool // R7, R8: the kernel closes the port, whatever becomes of the agent
	TimedFirst bool // R8: the timed lifetime stands before read_only goes off
	ReadBefore bool // R9: no unlimited lifetime before read_only was read, at an agent's start either
	CloseFirst bool // R13: the key is deleted when the host is closed, not before
	All        bool // R50: all who could be elected must promise
	Kept       bool // R51: a promise survives the agent that gave it
	Binds      bool // R51: a promise is refused while an own campaign is on its way
	OnlyListed bool // R53: only who stands in the writer's list may be elected
}

// Corrected keeps every rule.
func Corrected() Rules {
	return Rules{
		All: true, Kept: true, Binds: true, OnlyListed: true, CloseFirst: true, ReadBefore: true,
		FromSent: true, Margin: true, NotPutBack: true, ReadLast: true, AskFirst: true, KernelEnds: true, TimedFirst: true,
	}
}
