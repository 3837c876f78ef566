# One machine with a data disk of its own that Terraform refuses to destroy, and port 8000 open to the networks that were named.

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "server" {
  name     = var.resource_group_name
  location = var.location
}

resource "azurerm_virtual_network" "server" {
  name                = "${var.instance_name}-network"
  resource_group_name = azurerm_resource_group.server.name
  location            = azurerm_resource_group.server.location
  address_space       = ["10.0.0.0/16"]
}

resource "azurerm_subnet" "server" {
  name                 = "${var.instance_name}-subnet"
  resource_group_name  = azurerm_resource_group.server.name
  virtual_network_name = azurerm_virtual_network.server.name
  address_prefixes     = ["10.0.1.0/24"]
}

resource "azurerm_public_ip" "server" {
  name                = "${var.instance_name}-ip"
  resource_group_name = azurerm_resource_group.server.name
  location            = azurerm_resource_group.server.location
  allocation_method   = "Static"
}

resource "azurerm_network_security_group" "server" {
  name                = "${var.instance_name}-access"
  resource_group_name = azurerm_resource_group.server.name
  location            = azurerm_resource_group.server.location

  security_rule {
    name                       = "clients"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    source_address_prefixes    = var.allowed_cidrs
    destination_port_range     = "8000"
    destination_address_prefix = "*"
  }

  dynamic "security_rule" {
    for_each = length(var.ssh_cidrs) > 0 ? [1] : []
    content {
      name                       = "ssh"
      priority                   = 110
      direction                  = "Inbound"
      access                     = "Allow"
      protocol                   = "Tcp"
      source_port_range          = "*"
      source_address_prefixes    = var.ssh_cidrs
      destination_port_range     = "22"
      destination_address_prefix = "*"
    }
  }
}

resource "azurerm_network_interface" "server" {
  name                = "${var.instance_name}-nic"
  resource_group_name = azurerm_resource_group.server.name
  location            = azurerm_resource_group.server.location

  ip_configuration {
    name                          = "server"
    subnet_id                     = azurerm_subnet.server.id
    private_ip_address_allocation = "Dynamic"
    public_ip_address_id          = azurerm_public_ip.server.id
  }
}

resource "azurerm_network_interface_security_group_association" "server" {
  network_interface_id      = azurerm_network_interface.server.id
  network_security_group_id = azurerm_network_security_group.server.id
}

resource "azurerm_key_vault" "server" {
  name                       = var.key_vault_name
  resource_group_name        = azurerm_resource_group.server.name
  location                   = azurerm_resource_group.server.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
}

resource "azurerm_role_assignment" "writer" {
  scope                = azurerm_key_vault.server.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_key_vault_secret" "credentials" {
  name             = "chroma-credentials"
  key_vault_id     = azurerm_key_vault.server.id
  value_wo         = var.chroma_server_auth_credentials != "" ? var.chroma_server_auth_credentials : var.auth_token
  value_wo_version = var.credentials_version
  depends_on       = [azurerm_role_assignment.writer]
}

resource "azurerm_managed_disk" "data" {
  name                 = "${var.instance_name}-data"
  resource_group_name  = azurerm_resource_group.server.name
  location             = azurerm_resource_group.server.location
  storage_account_type = var.disk_type
  create_option        = "Empty"
  disk_size_gb         = var.disk_size_gb
  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_linux_virtual_machine" "server" {
  name                  = var.instance_name
  resource_group_name   = azurerm_resource_group.server.name
  location              = azurerm_resource_group.server.location
  size                  = var.machine_type
  admin_username        = "chroma"
  network_interface_ids = [azurerm_network_interface.server.id]

  admin_ssh_key {
    username   = "chroma"
    public_key = file(var.ssh_public_key_path)
  }

  identity {
    type = "SystemAssigned"
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "StandardSSD_LRS"
  }

  source_image_reference {
    publisher = "Debian"
    offer     = "debian-13"
    sku       = "13-gen2"
    version   = "latest"
  }

  custom_data = base64encode(join("", [
    templatefile("${path.module}/custom-data.sh.tftpl", {
      image             = var.image
      vault             = azurerm_key_vault.server.vault_uri
      auth_provider     = var.chroma_server_auth_provider
      token_header      = var.chroma_auth_token_transport_header
      otel_endpoint     = var.chroma_otel_collection_endpoint
      otel_service_name = var.chroma_otel_service_name
      otel_headers      = var.chroma_otel_collection_headers
      otel_granularity  = var.chroma_otel_granularity
    }),
    file("${path.module}/../cloud/first-boot.sh"),
  ]))

  depends_on = [azurerm_key_vault_secret.credentials]
}

resource "azurerm_role_assignment" "reader" {
  scope                = azurerm_key_vault.server.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_linux_virtual_machine.server.identity[0].principal_id
}

resource "azurerm_virtual_machine_data_disk_attachment" "data" {
  managed_disk_id    = azurerm_managed_disk.data.id
  virtual_machine_id = azurerm_linux_virtual_machine.server.id
  lun                = 10
  caching            = "None"
}

output "public_ip_address" {
  description = "Address of the server."
  value       = azurerm_public_ip.server.ip_address
}

output "url" {
  description = "What clients connect to."
  value       = "http://${azurerm_public_ip.server.ip_address}:8000"
}

output "data_disk" {
  description = "The disk with the data."
  value       = azurerm_managed_disk.data.name
}
