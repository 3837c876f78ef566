# One machine with a data disk of its own that Terraform refuses to destroy, and port 8000 open to the networks that were named.

resource "google_service_account" "server" {
  account_id   = "${var.instance_name}-sa"
  display_name = "chroma-async: reads its credentials and its image"
}

resource "google_secret_manager_secret" "credentials" {
  secret_id = "${var.instance_name}-credentials"
  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "credentials" {
  secret                 = google_secret_manager_secret.credentials.id
  secret_data_wo         = var.chroma_server_auth_credentials != "" ? var.chroma_server_auth_credentials : var.auth_token
  secret_data_wo_version = var.credentials_version
}

resource "google_secret_manager_secret_iam_member" "server" {
  secret_id = google_secret_manager_secret.credentials.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.server.email}"
}

resource "google_project_iam_member" "image" {
  project = var.project_id
  role    = "roles/artifactregistry.reader"
  member  = "serviceAccount:${google_service_account.server.email}"
}

resource "google_compute_address" "server" {
  name = "${var.instance_name}-ip"
}

resource "google_compute_disk" "data" {
  name = "${var.instance_name}-data"
  zone = var.zone
  type = var.disk_type
  size = var.disk_size_gb
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_compute_firewall" "clients" {
  name          = "${var.instance_name}-clients"
  network       = var.network
  source_ranges = var.allowed_cidrs
  target_tags   = [var.instance_name]
  allow {
    protocol = "tcp"
    ports    = ["8000"]
  }
}

resource "google_compute_firewall" "ssh" {
  count         = length(var.ssh_cidrs) > 0 ? 1 : 0
  name          = "${var.instance_name}-ssh"
  network       = var.network
  source_ranges = var.ssh_cidrs
  target_tags   = [var.instance_name]
  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_instance" "server" {
  name                      = var.instance_name
  machine_type              = var.machine_type
  zone                      = var.zone
  tags                      = [var.instance_name]
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "debian-cloud/debian-13"
      size  = 16
    }
  }

  attached_disk {
    source      = google_compute_disk.data.id
    device_name = "chroma-data"
  }

  network_interface {
    network = var.network
    access_config {
      nat_ip = google_compute_address.server.address
    }
  }

  service_account {
    email  = google_service_account.server.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot = true
  }

  # At each start of the machine: what is done stays done.
  metadata_startup_script = join("", [
    templatefile("${path.module}/startup.sh.tftpl", {
      image             = var.image
      secret            = google_secret_manager_secret.credentials.id
      auth_provider     = var.chroma_server_auth_provider
      token_header      = var.chroma_auth_token_transport_header
      otel_endpoint     = var.chroma_otel_collection_endpoint
      otel_service_name = var.chroma_otel_service_name
      otel_headers      = var.chroma_otel_collection_headers
      otel_granularity  = var.chroma_otel_granularity
    }),
    file("${path.module}/../cloud/first-boot.sh"),
  ])

  depends_on = [google_secret_manager_secret_version.credentials, google_secret_manager_secret_iam_member.server]
}

output "chroma_instance_ip" {
  description = "Address of the server."
  value       = google_compute_address.server.address
}

output "url" {
  description = "What clients connect to."
  value       = "http://${google_compute_address.server.address}:8000"
}

output "data_disk" {
  description = "The disk with the data."
  value       = google_compute_disk.data.name
}
