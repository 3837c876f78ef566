variable "project_id" {
  type        = string
  description = "Project in which everything is made."
}

variable "region" {
  type        = string
  description = "Region of the address."
}

variable "zone" {
  type        = string
  description = "Zone of machine and disk."
}

variable "image" {
  type        = string
  description = "Image to run. None of ours is published; docs/deployment/gcp.md says how to build and push one."
}

variable "auth_token" {
  type        = string
  sensitive   = true
  ephemeral   = true
  description = "What clients send as \"Authorization: Bearer\" or X-Chroma-Token: at least 16 printable characters."
  validation {
    condition     = can(regex("^[!-~]{16,}$", var.auth_token))
    error_message = "At least 16 printable characters without spaces; \"openssl rand -hex 32\" makes a token."
  }
}

variable "allowed_cidrs" {
  type        = list(string)
  description = "Addresses that reach port 8000. Without TLS in front nobody else should."
  validation {
    condition     = length(var.allowed_cidrs) > 0 && !contains(var.allowed_cidrs, "0.0.0.0/0")
    error_message = "Name the networks that may connect; 0.0.0.0/0 is everybody."
  }
}

variable "ssh_cidrs" {
  type        = list(string)
  default     = []
  description = "Addresses that reach SSH; 35.235.240.0/20 is Google's own relay."
}

variable "network" {
  type        = string
  default     = "default"
  description = "Network of the machine."
}

variable "instance_name" {
  type        = string
  default     = "chroma-instance"
  description = "Name of the machine, and the beginning of all other names."
}

variable "machine_type" {
  type        = string
  default     = "e2-small"
  description = "About 0.245 million vectors of 1,024 numbers fit into a GiB of memory."
}

variable "disk_size_gb" {
  type        = number
  default     = 24
  description = "Size of the data disk."
}

variable "disk_type" {
  type        = string
  default     = "pd-balanced"
  description = "Kind of the data disk."
}

variable "chroma_server_auth_credentials" {
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true
  description = "In place of auth_token: lines of htpasswd, or Chroma's YAML of users."
}

variable "chroma_server_auth_provider" {
  type        = string
  default     = ""
  description = "What the credentials are, as Chroma names it; empty for tokens."
}

variable "chroma_auth_token_transport_header" {
  type        = string
  default     = ""
  description = "The only header in which a token is taken, Authorization or X-Chroma-Token; empty for either."
}

variable "chroma_otel_collection_endpoint" {
  type        = string
  default     = ""
  description = "Address of an OTLP collector; empty for no traces."
}

variable "chroma_otel_service_name" {
  type        = string
  default     = "chroma-async"
  description = "Name of this server in traces."
}

variable "chroma_otel_collection_headers" {
  type        = string
  default     = "{}"
  description = "Headers for the collector, as JSON."
}

variable "chroma_otel_granularity" {
  type        = string
  default     = ""
  description = "How much is traced: none, operation, operation_and_segment or all; empty for the server's default."
}

variable "credentials_version" {
  type        = number
  default     = 1
  description = "To be raised when auth_token or chroma_server_auth_credentials changes: Terraform keeps neither, and cannot see it."
}
