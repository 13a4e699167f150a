package explain

// Blocks of a deploy, which prepares the code, and of the database of an app.
const (
	DeployBlock   = "deploy"
	DatabaseBlock = "database"
	StageBlock    = "deploy.stage"
)

// ProcessBlock is a block of programs that run beside the workers.
const ProcessBlock = "process"

// ScheduleBlock is a block of programs that run at times.
const ScheduleBlock = "schedule"

// StaticBlock is a block with files that are served without the app.
const StaticBlock = "static"

// GateBlock is the block of the gate, which stands beside the apps. Where apps have
// their names it is called appspec.GateName, and kept, faulted and compared as they are.
const GateBlock = "gate"

// EnvironmentBlock is the block of an app that becomes an app of its own.
const EnvironmentBlock = "environment"
